"""The controller: prompts -> request -> preview."""
