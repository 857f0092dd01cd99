"""Networks of snnTorch, from a module in memory or a checkpoint with a description."""
