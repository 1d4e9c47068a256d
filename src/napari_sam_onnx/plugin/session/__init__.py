"""The controller: prompts -> request -> preview -> label, and undo."""
