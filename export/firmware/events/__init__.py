"""C of first spikes event by event: a queue of events in, a class out."""
