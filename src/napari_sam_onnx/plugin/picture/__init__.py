"""What the viewer shows of the picture: its layers, planes and coordinates."""
