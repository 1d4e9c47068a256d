"""Labels against a truth."""
