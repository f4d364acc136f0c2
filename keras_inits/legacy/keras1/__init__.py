"""Keras 1: its schemes, its fans, and its models' JSON."""
