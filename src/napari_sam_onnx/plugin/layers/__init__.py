"""The only writers of the viewer's layers, and what is in them as values."""
