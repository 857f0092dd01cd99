"""SynSense's Xylo: what its core holds, and its public simulator."""
