"""Samples of first spikes: one event per input, from files, images and arrays."""
