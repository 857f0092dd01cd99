"""Exported C: sources, storage of weights, firmware projects, programs that replay input."""
