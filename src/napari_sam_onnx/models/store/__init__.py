"""Models as data and files: the catalogue, what is on this computer, downloads."""
