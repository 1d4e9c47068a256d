"""Panels that judge and correct what is there."""
