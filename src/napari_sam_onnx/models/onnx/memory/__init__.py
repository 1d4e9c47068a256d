"""Models that remember an object while it is followed through planes."""
