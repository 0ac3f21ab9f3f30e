"""Feature networks: a clip in, named layers out."""
