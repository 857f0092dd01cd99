"""Compiled backpropagation through time."""
