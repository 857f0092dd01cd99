"""NIR graphs: written with the contract as metadata, read with or without it."""
