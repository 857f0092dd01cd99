"""Chips: a decoder mapped to a library of standard cells, its area, and its energy from toggles."""
