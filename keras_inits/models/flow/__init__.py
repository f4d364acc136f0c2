"""A model while it runs."""
