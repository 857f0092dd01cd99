"""Arithmetics over which a step is computed: exact integers, symbols, intervals."""
