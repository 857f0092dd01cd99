"""What decoders without spikes reach on the same steps: one file a decoder."""
