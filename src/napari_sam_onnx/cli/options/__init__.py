"""Options that commands share, and their syntax."""
