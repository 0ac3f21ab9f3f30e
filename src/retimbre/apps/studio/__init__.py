"""The studio: style transfer by ear, in the browser; its routes are in docs/studio.md."""
