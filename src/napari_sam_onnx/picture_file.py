"""A file -> an array whose axes have names, where the file names them.

TIFF (OME-TIFF, ImageJ hyperstacks, plain) and the ordinary picture formats. What the file says
about its axes and pixel sizes is taken; what it does not say is left open, never guessed.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.errors import UserError
from napari_sam_onnx.image import AXES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    import tifffile

TIFF_SUFFIXES = (".tif", ".tiff")
PLAIN_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
SUFFIXES = TIFF_SUFFIXES + PLAIN_SUFFIXES

# Pillow's names of the pixels that can be taken as they are.
_PLAIN_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "F", "RGB", "RGBA")

# Compressed TIFFs larger than this are unpacked into a temporary file instead of memory.
MEMORY_BYTES = 2**30

_MICROMETRES = {"µm": 1.0, "um": 1.0, "micron": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}


class PictureFileError(UserError, ValueError):
    """A picture file that cannot be read or written; the message says what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureFile:
    """What a file holds.

    Parameters
    ----------
    array : array of any dtype
        Uncompressed TIFFs are mapped, not loaded.
    axes : str or None
        One letter of ``TZCYX`` per dimension; None where the file does not name them.
    pixel_size : mapping of str to float
        Micrometres by axis (Z, Y, X), as far as the file says.
    others : int
        Further pictures in the same file, which were not read.
    """

    array: Any
    axes: str | None = None
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    others: int = 0


def read_picture(path: str | PathLike[str]) -> PictureFile:
    """Read a picture or stack.

    Parameters
    ----------
    path : path
        A file with one of the suffixes in `SUFFIXES`.

    Raises
    ------
    PictureFileError
        If the file is missing, is no picture that can be read, or is damaged.
    """
    path = Path(path)
    if path.is_dir():
        raise PictureFileError(f"{path} is a folder; name a picture in it.")
    if not path.exists():
        raise PictureFileError(f"There is no file {path}.")
    if path.suffix.lower() not in SUFFIXES:
        raise PictureFileError(
            f"{path.name} is no picture that can be read; give one of {', '.join(SUFFIXES)}."
        )
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            return _read_tiff(path)
        return _read_plain(path)
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        if "imagecodecs" in str(error):
            raise PictureFileError(
                f"{path.name} is compressed in a way that needs one more package: "
                "pip install imagecodecs."
            ) from error
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise PictureFileError(f"{path.name} cannot be read ({reason}).") from error


def list_pictures(folder: Path) -> list[Path]:
    """List the files of a folder that `read_picture` may read, by name, hidden ones left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _read_plain(path: Path) -> PictureFile:
    """Read PNG, JPEG or BMP: (H, W), or (H, W, 3 or 4) samples."""
    import numpy as np
    from PIL import Image

    with warnings.catch_warnings():
        # A large picture is nothing suspicious here; Pillow still refuses absurd ones.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path) as file:
            if file.mode == "P":
                file = file.convert("RGBA" if "transparency" in file.info else "RGB")
            elif file.mode not in _PLAIN_MODES:
                file = file.convert("RGB")
            array = np.asarray(file)
    if array.ndim == 3 and array.shape[-1] == 2:  # gray and alpha: alpha says nothing here
        array = array[..., 0]
    return PictureFile(array, "YX" if array.ndim == 2 else "YXC")


def _read_tiff(path: Path) -> PictureFile:
    """Read the first picture of a TIFF file, at its full resolution."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not file.series:
            raise ValueError("the file holds no picture")
        series = file.series[0]
        axes, squeezed = _name_axes(series.axes, series.shape)
        if series.dataoffset is not None and series.nbytes:
            array: Any = tifffile.memmap(path, series=0, mode="r")
        else:
            array = series.asarray(out="memmap" if series.nbytes > MEMORY_BYTES else None)
        return PictureFile(
            array.reshape(squeezed), axes, _read_pixel_size(file), len(file.series) - 1
        )


def _name_axes(axes: str, shape: tuple[int, ...]) -> tuple[str | None, tuple[int, ...]]:
    """Translate tifffile's axes to ours; dimensions of length 1 that have no name are dropped.

    Returns
    -------
    axes : str or None
        None where a dimension that is longer than 1 has no name among ours.
    shape : tuple of int
        The dimensions that are kept.
    """
    if "S" in axes and "C" not in axes:  # samples per pixel are channels: RGB
        axes = axes.replace("S", "C")
    kept = [(a, n) for a, n in zip(axes, shape, strict=True) if a in AXES or n != 1]
    named = "".join(a for a, _ in kept)
    known = not set(named) - set(AXES) and len(set(named)) == len(named)
    return (named if known else None), tuple(n for _, n in kept)


def _read_pixel_size(file: tifffile.TiffFile) -> dict[str, float]:
    """Micrometres by axis from the metadata of OME or ImageJ, as far as they are there."""
    import tifffile

    sizes: dict[str, float] = {}
    if file.is_ome and file.ome_metadata:
        image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
        pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
        for axis in "ZYX":
            unit = _MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
            if unit and (size := pixels.get(f"PhysicalSize{axis}")):
                sizes[axis] = float(size) * unit
    elif file.imagej_metadata:
        unit = _MICROMETRES.get(str(file.imagej_metadata.get("unit", "")).replace("\\u00B5", "µ"))
        if unit:
            if spacing := file.imagej_metadata.get("spacing"):
                sizes["Z"] = float(spacing) * unit
            for axis, name in (("Y", "YResolution"), ("X", "XResolution")):
                count, length = file.pages[0].tags.valueof(name, (0, 1))
                if count:
                    sizes[axis] = length / count * unit
    return sizes
