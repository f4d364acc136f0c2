"""What a network does to a signal: its figures, layer by layer, and what is wrong with them."""
