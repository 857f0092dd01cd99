"""Worst cases: how large a state can become, proved from the weights."""
