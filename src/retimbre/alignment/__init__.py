"""Ways to bring a style to a content before their statistics are compared."""
