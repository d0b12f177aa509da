"""Notes with a title."""
