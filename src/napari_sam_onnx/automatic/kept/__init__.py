"""The masks of a run: kept, measured, told apart."""
