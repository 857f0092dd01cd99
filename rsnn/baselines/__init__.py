"""Decoders without spikes, scored on the same steps: one file per decoder."""
