"""Intel's Loihi: what its compartments hold, a map to its cores, its arithmetic without a chip."""
