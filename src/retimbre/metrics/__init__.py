"""Measures of style transfer: features of clips, distances and similarities, groups of them."""
