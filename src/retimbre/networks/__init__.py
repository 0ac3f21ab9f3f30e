"""Feature networks, which map a clip to named layers."""
