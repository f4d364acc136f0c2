"""Whether the weights of a model, or in a file, are drawn as they should be."""
