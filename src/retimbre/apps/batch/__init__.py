"""Batches: rows of a manifest, done by an engine, with what is done on disk."""
