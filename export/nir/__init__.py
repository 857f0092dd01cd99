"""NIR graphs: written with the contract as metadata, read with it or without."""
