"""Pages of results and pictures of spectrograms."""
