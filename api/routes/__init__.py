"""One blueprint per noun."""
