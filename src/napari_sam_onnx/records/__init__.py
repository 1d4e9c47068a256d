"""What was done and what was chosen, as values and files."""
