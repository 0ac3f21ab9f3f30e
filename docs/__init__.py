"""The pages, and the extension that fills them in when they are built."""
