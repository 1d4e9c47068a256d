"""OME-Zarr (NGFF) label images with pyramids, by `ome-zarr`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.labels.label_image import LabelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_sam_onnx.export.label_stack import LabelStack

NAME = "objects"
_TYPES = {"T": "time", "Z": "space", "Y": "space", "X": "space"}
# Each level of the pyramid has half the pixels along Y and X.
LEVELS = 4
# Side of a part that is written at once; one plane deep.
SIDE = 1024


def write_ome_zarr(path: Path, stack: LabelStack) -> None:
    """Write labels as OME-Zarr, see `write_zarr_labels`."""
    write_zarr_labels(path, stack.labels, stack.axes, stack.pixel_size)


def check_ome_zarr(axes: str) -> None:
    """Refuse what cannot be written, before any work is done.

    Raises
    ------
    LabelError
        If the format has no such order of axes, or the package ome-zarr is missing.
    """
    known = "".join(axis for axis in "TZYX" if axis in axes)
    if axes != known:
        raise LabelError(
            f"OME-Zarr has its axes in the order {known}, and the labels have {axes}; save them "
            "as .tif, or say so with --axes where that is what they are."
        )
    _import_writer()


def _import_writer() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of its own old classes
            from ome_zarr.writer import write_labels
    except ImportError as error:
        raise LabelError(
            "OME-Zarr is written by the package ome-zarr; install napari-sam-onnx[ome-zarr]."
        ) from error
    return write_labels


def write_zarr_labels(
    path: Path, labels: Any, axes: str, pixel_size: Mapping[str, float] | None = None
) -> None:
    """Write labels as a folder: a group that holds them under ``labels/objects``.

    That is where the group of a picture keeps its labels; axes, pixel sizes and a pyramid are
    written.

    Parameters
    ----------
    path : Path
        A new folder, or one that may be replaced.
    labels : array of integer
        Read in parts, one plane deep: it may lie on disk (memmap, zarr).
    axes : str
        One letter of ``TZYX`` per dimension, in that order.
    pixel_size : mapping of str to float, optional
        Micrometres by axis.

    Raises
    ------
    LabelError
        See `check_ome_zarr`.
    """
    check_ome_zarr(axes)
    write_labels = _import_writer()
    import dask
    import dask.array
    import zarr

    sizes = dict(pixel_size or {})
    names = [axis.lower() for axis in axes]
    plane = tuple(labels.shape[-2:])
    factors = [
        {name: factor if name in "yx" else 1 for name in names}
        for factor in (2**level for level in range(1, LEVELS + 1))
        if min(plane) >= 2 * factor
    ]
    chunks = (*(1,) * (len(names) - 2), *(min(SIDE, n) for n in plane))
    with dask.config.set(scheduler="synchronous"):  # one part in memory at a time
        write_labels(
            dask.array.from_array(labels, chunks, name=False),
            zarr.open_group(str(path), mode="w"),
            name=NAME,
            axes=[{"name": name, "type": _TYPES[name.upper()]} for name in names],
            scaler=None,
            scale_factors=factors,
            scale={name: float(sizes.get(name.upper(), 1.0)) for name in names},
            axes_units={name: "micrometer" for name in names if name.upper() in sizes},
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
