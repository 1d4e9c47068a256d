"""Graphs changed in the bytes of their files, before they are opened."""
