"""Prompts become labels and back: accepted, edited, named, undone, recorded."""
