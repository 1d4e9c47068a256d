"""Label images and overlays as TIFF and PNG files."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.pictures.picture_file import TIFF_SUFFIXES, PictureFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

LABEL_SUFFIXES = (*TIFF_SUFFIXES, ".png")


def check_label_path(path: Path, axes: str) -> None:
    """Refuse a file name that cannot hold labels of these axes.

    Raises
    ------
    PictureFileError
        If the suffix is unknown, or a PNG would have to hold more than one plane.
    """
    suffix = path.suffix.lower()
    if suffix not in LABEL_SUFFIXES:
        raise PictureFileError(
            f"Labels are saved as {', '.join(LABEL_SUFFIXES)}; {path.name!r} ends in none of them. "
            "`export` makes other formats of a label image."
        )
    if suffix == ".png" and len(axes) > 2:
        raise PictureFileError(
            f"A PNG holds one plane and the labels have the axes {axes}; save them as .tif."
        )


def write_labels(
    path: Path,
    labels: Any,
    axes: str,
    pixel_size: Mapping[str, float] | None = None,
) -> None:
    """Write a label image: 16 bit where the ids fit, else 32 (TIFF only), compressed.

    Parameters
    ----------
    path : Path
        ``.tif``, ``.tiff`` or ``.png``.
    labels : array of integer
        0 is background. Written plane by plane: it may lie on disk (memmap, zarr).
    axes : str
        One letter of ``TZYX`` per dimension, kept in the file.
    pixel_size : mapping of str to float, optional
        Micrometres by axis, kept in the file.

    Raises
    ------
    PictureFileError
        If the file cannot hold the labels.
    """
    outer = "".join(
        axis for axis, n in zip(axes, labels.shape, strict=True) if n > 1 or axis in "YX"
    )
    check_label_path(path, outer)
    largest = max((int(plane.max(initial=0)) for plane in _iterate_planes(labels)), default=0)
    wide = largest > np.iinfo(np.uint16).max
    if path.suffix.lower() == ".png":
        if wide:
            raise PictureFileError(
                f"A PNG holds at most 65535 labels and there are {largest}; save them as .tif."
            )
        plane = tuple(slice(None) if axis in "YX" else 0 for axis in axes)
        write_png(path, np.asarray(labels[plane]).astype(np.uint16))
        return
    import tifffile

    dtype = np.dtype(np.uint32 if wide else np.uint16)
    # OME wants the plane last; any other order is kept in tifffile's own metadata.
    ome = axes.endswith("YX")
    metadata: dict[str, object] = {"axes": axes}
    if ome:
        for axis, size in (pixel_size or {}).items():
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    tifffile.imwrite(
        path,
        (plane.astype(dtype) for plane in _iterate_planes(labels)),
        shape=labels.shape,
        dtype=dtype,
        bigtiff=prod(labels.shape) * dtype.itemsize > 2**31,
        ome=ome,
        metadata=metadata,
        compression="zlib",
        predictor=True,
        photometric="minisblack",
    )


def _iterate_planes(labels: Any) -> Iterator[NDArray[np.integer]]:
    """Read the planes along the last two axes, one after another."""
    for index in np.ndindex(*labels.shape[:-2]):
        yield np.asarray(labels[index])


def write_png(path: Path, picture: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write a PNG, (H, W) or (H, W, 3)."""
    from PIL import Image

    Image.fromarray(picture).save(path, format="PNG")
