"""Pictures, drawn with matplotlib, which is an extra: of decoders, and of networks of a task."""
