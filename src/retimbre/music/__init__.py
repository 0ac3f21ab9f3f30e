"""Music: scores of notes, and the instruments that play them."""
