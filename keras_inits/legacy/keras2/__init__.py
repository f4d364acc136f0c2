"""Keras 2 and tf.keras: their initializers, layers and files."""
