"""What each variable of a model takes."""
