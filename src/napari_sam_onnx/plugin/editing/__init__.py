"""What mouse and keys mean meanwhile, and what is done with labelled objects."""
