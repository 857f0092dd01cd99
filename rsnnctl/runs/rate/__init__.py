"""Runs of rate networks, and of the spiking networks of tasks that they become."""
