"""OME-Zarr pictures, opened at their full resolution and read part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_onnx.pictures.contents import MICROMETRES, PictureFile, PictureFileError
from napari_sam_onnx.pictures.image import AXES
from napari_sam_onnx.pictures.parts import EXTRA, open_parts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ZARR_SUFFIX = ".zarr"

_UNITS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "centimeter": "cm"}


def read_zarr(path: Path) -> PictureFile:
    """Read the first picture of an OME-Zarr folder, or an array of zarr without further words.

    Where it holds labels alone, the first of these.

    Raises
    ------
    PictureFileError
        If zarr is not installed, or the folder holds no picture.
    """
    try:
        import dask.array  # noqa: F401 - what zarr holds is read by it
        import zarr
    except ImportError as error:
        raise PictureFileError(
            f"{path.name} is read by the packages zarr and dask: {EXTRA}."
        ) from error
    try:
        opened: Any = zarr.open(str(path), mode="r")
        if hasattr(opened, "shape"):
            return PictureFile(open_parts(opened, path))
        if "multiscales" not in _words(opened) and "0" in opened:  # as bioformats2raw writes
            opened = opened["0"]
        if "multiscales" not in _words(opened) and "labels" in opened:  # labels without a picture
            opened = opened["labels"]
            opened = opened[_words(opened)["labels"][0]]
        scales = _words(opened)["multiscales"][0]
        level = scales["datasets"][0]
        array = opened[level["path"]]
    except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
        raise PictureFileError(f"{path.name} holds no picture of OME-Zarr.") from error
    axes = "".join(_name(axis) for axis in scales.get("axes", "tczyx"))
    known = len(axes) == array.ndim and set(axes) <= set(AXES)
    return PictureFile(
        open_parts(array, path),
        axes if known else None,
        _read_sizes(scales, level, axes) if known else {},
        len(_words(opened)["multiscales"]) - 1,
    )


def _words(group: Any) -> Mapping[str, Any]:
    """Return what a group says of itself, by either version of the format."""
    words: Mapping[str, Any] = group.attrs.get("ome") or group.attrs
    return words


def _name(axis: Any) -> str:
    return str(axis["name"] if isinstance(axis, dict) else axis).upper()


def _read_sizes(scales: Mapping[str, Any], level: Mapping[str, Any], axes: str) -> dict[str, float]:
    """Micrometres by axis, as far as the file says."""
    factors = [1.0] * len(axes)
    for part in (scales, level):
        for change in part.get("coordinateTransformations", ()):
            if change.get("type") == "scale" and len(change.get("scale", ())) == len(axes):
                factors = [f * float(s) for f, s in zip(factors, change["scale"], strict=True)]
    sizes: dict[str, float] = {}
    for name, axis, factor in zip(axes, scales["axes"], factors, strict=True):
        unit = axis.get("unit", "") if isinstance(axis, dict) else ""
        micrometres = MICROMETRES.get(_UNITS.get(unit, unit))
        if name in "ZYX" and micrometres and factor > 0:
            sizes[name] = factor * micrometres
    return sizes
