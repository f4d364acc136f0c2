"""Attention layers: starts that know which projections belong together."""
