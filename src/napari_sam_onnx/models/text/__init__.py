"""Models that are asked with words, and detectors that propose boxes."""
