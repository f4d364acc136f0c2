"""Moments of a model's tensors, computed from its operations."""
