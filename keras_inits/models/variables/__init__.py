"""The variables of a model: where they are, what made them, how they get new values."""
