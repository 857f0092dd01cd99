"""Runs of first-spike networks: trainings, k-fold validation, grids of settings."""
