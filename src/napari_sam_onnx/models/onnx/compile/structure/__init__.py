"""Which part of a decoder is which: by structure, never by names."""
