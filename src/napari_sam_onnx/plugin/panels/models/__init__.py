"""Panels of models and what they leave on the disk."""
