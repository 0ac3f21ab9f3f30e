"""Sessions of transfers: their clips and results, the queue of their work, their end; no web."""
