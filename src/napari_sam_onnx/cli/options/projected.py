"""A picture whose planes along z are made one, as commands take it that look at one plane."""

from dataclasses import replace
from pathlib import Path
from typing import Optional

from napari_sam_onnx.cli.options.shared import ProjectionName
from napari_sam_onnx.pictures.contents import PictureFile
from napari_sam_onnx.pictures.image import check_axes, infer_axes
from napari_sam_onnx.pictures.picture_file import read_picture
from napari_sam_onnx.pictures.projection import project_depth


def read_projected(
    source: Path,
    axes: Optional[str],  # noqa: UP045
    project: Optional[ProjectionName],  # noqa: UP045
) -> PictureFile:
    """Read a picture with the axes that the user or else its file names, projected if asked for.

    Raises
    ------
    ImageError, PictureFileError
        If it cannot be read, or has no Z.
    """
    picture = read_picture(source)
    named = axes or picture.axes
    if project is None:
        return replace(picture, axes=named)
    shape = picture.array.shape
    array, left = project_depth(
        picture.array, check_axes(named or infer_axes(shape), len(shape)), project.value
    )
    return replace(picture, array=array, axes=left)
