"""Rate networks, trained on tasks."""
