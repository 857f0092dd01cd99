"""Spikes that arrive while they are decoded: lines, packets, samples, each a file."""
