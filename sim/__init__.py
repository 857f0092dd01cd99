"""The integer world: networks whose every bit is defined. Needs numpy and numba, never torch."""
