"""Spikes that arrive while they are decoded: lines, packets, samples, each a file."""

LONGEST_IDLE = 1e6  # s, eleven days
MOST_STEPS = 10**12
