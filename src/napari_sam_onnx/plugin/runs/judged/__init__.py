"""What runs found: limits on it, judgements, what they teach, measurements."""
