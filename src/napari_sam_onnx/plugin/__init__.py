"""The napari plugin: the only home of napari and Qt."""
