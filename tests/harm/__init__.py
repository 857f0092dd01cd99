"""Harm done to rsnnctl on purpose: kills, failing writes, races, power cuts, hostile files."""
