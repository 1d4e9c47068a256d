"""Where new labels live: in memory, or on disk where they are too large for it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.memory import format_bytes, free_memory
from napari_sam_onnx.pictures.contrast import chunk_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FOLDER_VARIABLE = "NAPARI_SAM_ONNX_LABELS"
"""Names the folder for labels that are too large for memory."""

# Labels stay in memory up to this part of what is free: other things need room as well.
SHARE = 0.5
# Side of a chunk on disk, so that painting one object rewrites little.
CHUNK = 1024


def make_labels(
    shape: Sequence[int],
    place: str | os.PathLike[str] | None = None,
    most: int | None = None,
) -> tuple[Any, Path | None]:
    """Make empty labels, in memory or on disk.

    Parameters
    ----------
    shape : sequence of int
    place : path, optional
        A new zarr folder for them (``.zarr``). Where omitted they are kept in memory, or, where
        they would take more than half of what is free, in a new zarr folder in the folder that
        the environment variable ``NAPARI_SAM_ONNX_LABELS`` names, or in the temporary one.
    most : int, optional
        Bytes from which on they are on disk even where memory has room for them, if zarr is
        installed.

    Returns
    -------
    labels : array of uint32
        Zeros; takes assignment by index.
    place : Path or None
        Where they are on disk.

    Raises
    ------
    LabelError
        If they can be kept nowhere.
    """
    size = 4 * prod(shape)
    small = most is None or size <= most or find_spec("zarr") is None
    if place is None and small and size <= SHARE * free_memory():
        return np.zeros(tuple(shape), np.uint32), None
    folder = _choose_place(size) if place is None else _check_place(Path(place))
    zarr = _import_zarr(size)
    chunks = tuple(1 if axis < len(shape) - 2 else min(CHUNK, n) for axis, n in enumerate(shape))
    try:
        made = zarr.open_array(
            str(folder), mode="w-", shape=tuple(shape), chunks=chunks, dtype="u4", fill_value=0
        )
    except OSError as error:
        raise LabelError(
            f"The labels need {format_bytes(size)} and cannot be kept in {folder} "
            f"({error.strerror or error}); name another folder in {FOLDER_VARIABLE}."
        ) from error
    return made, folder


def find_largest(labels: Any) -> int:
    """Return the largest label; of an array on disk, one piece at a time and only what was written.

    Parameters
    ----------
    labels : array of integer
        In memory, mapped, zarr, dask.
    """
    if isinstance(labels, np.ndarray):
        return int(labels.max(initial=0))
    return max((int(np.asarray(labels[at]).max(initial=0)) for at in _pieces(labels)), default=0)


def _pieces(labels: Any) -> Iterator[tuple[slice, ...]]:
    """Say where the chunks lie that may hold a label."""
    sizes = chunk_shape(labels) or (*(1,) * (labels.ndim - 2), *labels.shape[-2:])
    counts = [-(-n // size) for n, size in zip(labels.shape, sizes, strict=True)]
    store = getattr(labels, "store", None)
    root = getattr(store, "root", None) or getattr(store, "path", None)
    folder = None if root is None else Path(str(root)) / getattr(labels, "path", "")
    if folder is not None and folder.is_dir():
        places: Iterable[tuple[int, ...]] = _written_chunks(folder, counts)
    else:
        places = np.ndindex(*counts)
    for place in places:
        yield tuple(slice(i * size, (i + 1) * size) for i, size in zip(place, sizes, strict=True))


def _written_chunks(folder: Path, counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Read off the names of a zarr folder's files which chunks were written."""
    for file in folder.rglob("*"):
        parts = re.split(r"[./]", file.relative_to(folder).as_posix().removeprefix("c/"))
        if len(parts) == len(counts) and all(part.isdigit() for part in parts):
            yield tuple(map(int, parts))


def remove_labels(place: Path | None) -> None:
    """Remove labels on disk that nobody wants."""
    if place is not None:
        shutil.rmtree(place, ignore_errors=True)


def _choose_place(size: int) -> Path:
    parent = Path(os.environ.get(FOLDER_VARIABLE) or tempfile.gettempdir())
    if not parent.is_dir():
        raise LabelError(
            f"The labels need {format_bytes(size)}, more than fits into memory, and the folder "
            f"{parent} does not exist; create it, or name another in {FOLDER_VARIABLE}."
        )
    return parent / f"labels-{secrets.token_hex(4)}.zarr"


def _check_place(place: Path) -> Path:
    if place.suffix != ".zarr":
        raise LabelError(f"Labels on disk are a zarr folder; name it {place.name}.zarr.")
    if place.exists():
        raise LabelError(f"{place} exists already; name another place for the labels.")
    if not place.parent.is_dir():
        raise LabelError(f"The folder {place.parent} does not exist; create it first.")
    return place


def _import_zarr(size: int) -> Any:
    try:
        import zarr
    except ImportError as error:
        raise LabelError(
            f"The labels need {format_bytes(size)}, and on disk they are kept with one more "
            'package: pip install "napari-sam-onnx[stacks]".'
        ) from error
    return zarr
