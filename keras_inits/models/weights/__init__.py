"""How a layer uses a weight."""
