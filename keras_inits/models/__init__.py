"""Functions on whole, built models."""
