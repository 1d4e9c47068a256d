"""OME-Zarr (NGFF) label images with pyramids, by `ome-zarr`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.labels import LabelError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_onnx.export.label_stack import LabelStack

NAME = "objects"
_TYPES = {"T": "time", "Z": "space", "Y": "space", "X": "space"}
# Each level of the pyramid has half the pixels along Y and X.
LEVELS = 4


def write_ome_zarr(path: Path, stack: LabelStack) -> None:
    """Write the labels as a folder: a group that holds them under ``labels/objects``.

    That is where the group of a picture keeps its labels; axes, pixel sizes and a pyramid are
    written.

    Raises
    ------
    LabelError
        If the package ome-zarr is missing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of its own old classes
            import zarr
            from ome_zarr.writer import write_labels
    except ImportError as error:
        raise LabelError(
            "OME-Zarr is written by the package ome-zarr; install napari-sam-onnx[ome-zarr]."
        ) from error
    names = [axis.lower() for axis in stack.axes]
    axes = [{"name": name, "type": _TYPES[name.upper()]} for name in names]
    factors = [
        {name: factor if name in "yx" else 1 for name in names}
        for factor in (2**level for level in range(1, LEVELS + 1))
        if min(stack.plane_shape) >= 2 * factor
    ]
    write_labels(
        stack.labels,
        zarr.open_group(str(path), mode="w"),
        name=NAME,
        axes=axes,
        scaler=None,
        scale_factors=factors,
        scale={name: float(stack.pixel_size.get(name.upper(), 1.0)) for name in names},
        axes_units={name: "micrometer" for name in names if name.upper() in stack.pixel_size},
    )


def read_ome_zarr(path: Path) -> tuple[Any, str]:
    """Read labels that were written so, in full size.

    Returns
    -------
    labels : array
    axes : str

    Raises
    ------
    LabelError
        If there are none, or the package ome-zarr is missing.
    """
    try:
        import zarr
    except ImportError as error:
        raise LabelError(
            "OME-Zarr is read by the package zarr; install napari-sam-onnx[ome-zarr]."
        ) from error
    try:
        labels = zarr.open_group(str(path), mode="r")["labels"]
        names = labels.attrs["ome"]["labels"] if "ome" in labels.attrs else labels.attrs["labels"]
        group = labels[names[0]]
        scales = (group.attrs.get("ome") or group.attrs)["multiscales"][0]
        axes = "".join(axis["name"].upper() for axis in scales["axes"])
        return group[scales["datasets"][0]["path"]][...], axes
    except (KeyError, IndexError, TypeError, FileNotFoundError) as error:
        raise LabelError(f"{path.name} holds no OME-Zarr labels.") from error
