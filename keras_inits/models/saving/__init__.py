"""What a file holds of a model: its parts made once more, compared, and loaded by a new process."""
