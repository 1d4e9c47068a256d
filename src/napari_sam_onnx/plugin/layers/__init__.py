"""The only writers of the viewer's layers, and where planes lie in them."""
