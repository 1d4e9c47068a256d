"""Long work started from the dock: automatic masks, searches, comparisons."""
