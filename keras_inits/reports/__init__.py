"""What a function on a whole model returns: rows that print, export and plot."""
