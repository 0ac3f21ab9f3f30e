"""What a transfer minimises, and how."""
