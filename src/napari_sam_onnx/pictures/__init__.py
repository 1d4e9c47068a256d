"""Pictures: files and arrays -> what a model is shown."""
