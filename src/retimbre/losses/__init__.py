"""Content and style terms, and the objective that they make up."""
