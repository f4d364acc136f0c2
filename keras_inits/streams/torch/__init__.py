"""The numbers of PyTorch, replayed."""
