"""Which models there are, and what is being done to them."""
