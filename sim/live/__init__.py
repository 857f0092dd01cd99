"""Closed loops: one step per call, and numbered packets of spikes."""
