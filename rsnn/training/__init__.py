"""Training and pruning of float models: recipes, batches, optimizers, state."""
