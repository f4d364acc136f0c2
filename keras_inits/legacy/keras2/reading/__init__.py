"""What is in a file: the config of a model and its weights."""
