"""Panels of prompts, outlines, classes and keys."""
