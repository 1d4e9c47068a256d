"""Panels of the picture and of what the model sees."""
