"""Which sums of a model are residual, read from the operations that it computes."""
