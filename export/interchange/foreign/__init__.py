"""NIR graphs that others wrote, without our contract: from nodes and edges to layers of arrays."""
