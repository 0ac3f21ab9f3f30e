"""Measures of style transfer by their field names."""
