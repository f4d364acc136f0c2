"""Low-rank adapters: how they start."""
