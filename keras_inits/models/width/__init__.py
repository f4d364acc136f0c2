"""Hyperparameters that transfer across width: the maximal update parametrization (muP)."""
