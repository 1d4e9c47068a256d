"""Widgets and forms that several panels use."""
