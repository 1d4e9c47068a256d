"""The labels that a command makes: where they lie meanwhile, and the file that they become."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.export.beside import (
    refuse_existing,
    refuse_existing_folder,
    write_beside,
    write_folder_beside,
)
from napari_sam_onnx.export.images import check_label_path, write_labels
from napari_sam_onnx.export.ome_zarr import check_ome_zarr, write_zarr_labels
from napari_sam_onnx.labels.label_store import make_labels, remove_labels
from napari_sam_onnx.planes import ArrayLabels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ZARR_SUFFIX = ".zarr"

MEMORY = 2**27
"""Bytes of labels from which on they lie on disk while they are made."""


def is_zarr(path: Path) -> bool:
    """Whether a result's name asks for OME-Zarr."""
    return path.suffix.lower() == ZARR_SUFFIX


def check_result(path: Path, axes: str, shape: Sequence[int]) -> None:
    """Refuse a name that cannot hold labels of these axes, before any work is done.

    Raises
    ------
    PictureFileError, LabelError
        If the suffix is unknown, or its format cannot hold them or is not installed.
    """
    if is_zarr(path):
        check_ome_zarr(axes)
        return
    sizes = dict(zip(axes, shape, strict=True))
    check_label_path(path, "".join(axis for axis in axes if sizes[axis] > 1 or axis in "YX"))


def refuse_result(path: Path, *, force: bool) -> None:
    """Raise PictureFileError if something stands where a result is to be written."""
    if is_zarr(path):
        refuse_existing_folder(path, overwrite=force)
    else:
        refuse_existing(path, overwrite=force)


@contextmanager
def open_labels(
    path: Path,
    axes: str,
    shape: Sequence[int],
    pixel_size: Mapping[str, float] | None = None,
    *,
    force: bool = False,
    scratch: Path | None = None,
) -> Iterator[ArrayLabels]:
    """Offer empty labels, and write them to a file if all goes well.

    The file is begun at once, so that no work is done in vain. Labels of more than `MEMORY`
    bytes lie on disk meanwhile, and are read and written in parts.

    Parameters
    ----------
    path : Path
        ``.tif``, ``.png``, or ``.zarr`` for OME-Zarr.
    axes : str
        One letter of ``TZYX`` per dimension.
    shape : sequence of int
    pixel_size : mapping of str to float, optional
        Micrometres by axis.
    force : bool
        Whether a result that exists may be replaced.
    scratch : Path, optional
        A folder for labels on disk; see `make_labels` where omitted.

    Yields
    ------
    ArrayLabels
    """
    check_result(path, axes, shape)
    beside: Any = write_folder_beside if is_zarr(path) else write_beside
    with beside(path, overwrite=force) as part:
        labels, place = _make(tuple(shape), scratch)
        try:
            yield ArrayLabels(labels, axes)
            write = write_zarr_labels if is_zarr(path) else write_labels
            write(part, labels, axes, pixel_size)
        finally:
            remove_labels(place)


def _make(shape: tuple[int, ...], scratch: Path | None) -> tuple[Any, Path | None]:
    labels, place = make_labels(shape, most=MEMORY)
    if place is None or scratch is None:
        return labels, place
    remove_labels(place)
    chosen = scratch / "labels.zarr"
    remove_labels(chosen if chosen.exists() else None)
    return make_labels(shape, chosen)
