"""Settings of automatic masks, each declared once."""
