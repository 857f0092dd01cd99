"""First-spike networks, trained by supervised STDP; needs no torch."""
