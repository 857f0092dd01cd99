"""Training on a CUDA card: all time steps of a layer in one kernel, as in `rsnn/fast/`."""
