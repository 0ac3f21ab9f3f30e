"""Music: scores written down as notes, and the instruments that play them."""
