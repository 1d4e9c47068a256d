"""Files of microscopes' own formats, read through bioio where that is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_onnx.pictures.contents import PictureFile, PictureFileError

if TYPE_CHECKING:
    from pathlib import Path


def read_bio(path: Path) -> PictureFile:
    """Read the first scene of a file, lazily.

    Raises
    ------
    PictureFileError
        If bioio, or its reader for the format, is not installed, or the file is damaged.
    """
    kind = path.suffix.lower().removeprefix(".")
    try:
        from bioio import BioImage
        from bioio_base.exceptions import UnsupportedFileFormatError
    except ImportError as error:
        raise PictureFileError(
            f'{path.name} needs a reader for its format: pip install "napari-sam-onnx[formats]".'
        ) from error
    try:
        image = BioImage(path)
    except UnsupportedFileFormatError as error:
        raise PictureFileError(
            f"{path.name} is damaged, or its reader is missing: pip install bioio-{kind}."
        ) from error
    array, axes = _squeeze(image.dask_data, str(image.dims.order))
    sizes = {axis: getattr(image.physical_pixel_sizes, axis, None) for axis in "ZYX"}
    return PictureFile(
        array,
        axes.replace("S", "C") if "C" not in axes else axes,
        {axis: float(size) for axis, size in sizes.items() if size},
        len(image.scenes) - 1,
        "S" in axes,
    )


def _squeeze(array: Any, axes: str) -> tuple[Any, str]:
    """Drop the dimensions of one pixel, Y and X apart: bioio has always five."""
    kept = [i for i, axis in enumerate(axes) if axis in "YX" or array.shape[i] > 1]
    index = tuple(slice(None) if i in kept else 0 for i in range(len(axes)))
    return array[index], "".join(axes[i] for i in kept)
