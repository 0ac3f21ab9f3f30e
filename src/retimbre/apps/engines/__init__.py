"""Engines: items in, records out, in processes of this machine or on a cluster."""
