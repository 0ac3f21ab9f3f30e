"""Alignments, which bring a style to a content before their statistics are compared."""
