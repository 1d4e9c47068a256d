"""A plane and prompts -> what a graph takes; what it gives -> the plane's pixels."""
