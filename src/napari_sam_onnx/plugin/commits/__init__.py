"""Prompts become labels and back: accepted, numbered, painted, undone, recorded."""
