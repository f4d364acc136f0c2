"""The numbers of Keras 1, replayed."""
