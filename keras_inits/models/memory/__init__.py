"""Models as large as memory: built without drawing, compared by a digest."""
