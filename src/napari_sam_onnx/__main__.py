"""``python -m napari_sam_onnx``: the command line, where its script is not on the path."""

from napari_sam_onnx.cli import main

if __name__ == "__main__":
    main()
