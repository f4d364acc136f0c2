"""What changed between Keras 2 and Keras 3 in the configs of layers and models."""
