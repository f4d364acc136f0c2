"""The library's own stream: the bits, the tiles that they lie in, and what is made of them."""
