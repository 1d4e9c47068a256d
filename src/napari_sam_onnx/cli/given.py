"""Labels that a command is given as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_onnx.labels.likely import refuse_picture
from napari_sam_onnx.pictures.picture_file import load_picture, read_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam_onnx.pictures.contents import PictureFile


def read_labels(path: Path) -> PictureFile:
    """Read a label image, lazily where it may be.

    Raises
    ------
    PictureFileError
        See `read_picture`.
    LabelError
        If the file is a picture.
    """
    given = read_picture(path)
    refuse_picture(given.array, path.name)
    return given


def load_labels(path: Path) -> NDArray[Any]:
    """Read all pixels of a label image, see `read_labels` and `load_picture`."""
    array = load_picture(path)
    refuse_picture(array, path.name)
    return array
