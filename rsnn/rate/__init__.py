"""Continuous-rate networks trained on tasks, and the spiking networks that they are mapped to.

Kim, Li, Sejnowski, "Simple framework for constructing functional spiking recurrent neural
networks", PNAS 116:22811 (2019). Where the paper and its published code differ, the code is
followed, because it made the published networks. Plain numpy and Numba; torch is not needed.
"""
