"""Verilog: what the decoder of a network needs, its files, and simulators that run it."""
