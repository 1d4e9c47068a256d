"""A plane and prompts -> masks, at the scale of the object."""
