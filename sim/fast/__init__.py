"""Integer networks at speed: the compiled, event-driven step and what runs it."""
