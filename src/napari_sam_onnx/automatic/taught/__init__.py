"""Automatic masks taught by a few objects."""
