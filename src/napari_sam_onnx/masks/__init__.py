"""Masks as values, and where they lie on a plane."""
