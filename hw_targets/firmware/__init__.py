"""Targets that run the exported C: how it is built, emulated, and what it costs there."""
