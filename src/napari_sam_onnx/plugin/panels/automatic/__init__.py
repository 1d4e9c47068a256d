"""Panels of automatic masks."""
