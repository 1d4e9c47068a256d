"""Label images -> files. A file is written beside its place and moved there when it is whole."""
