"""Files that are read part by part when they are asked for: arrays of zarr, as dask sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import finalize

from napari_sam_onnx.pictures.contents import PictureFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LEAST_SIDE = 1024
"""Pixels along an axis that are read at once at least: strips of a TIFF may be one line high."""

EXTRA = 'pip install "napari-sam-onnx[stacks]"'


def open_parts(array: Any, path: Path, close: Callable[[], object] | None = None) -> Any:
    """Return an array of zarr as one of dask, whose faults are said in a user's words.

    Parameters
    ----------
    array : zarr array
    path : Path
        For sentences.
    close : callable, optional
        Called once nobody holds the array any more.

    Raises
    ------
    ImportError
        If dask is not installed.
    """
    import dask.array

    chunks = tuple(
        min(int(n), -(-LEAST_SIDE // int(c)) * int(c) if axis >= array.ndim - 3 else int(c))
        for axis, (n, c) in enumerate(zip(array.shape, array.chunks, strict=True))
    )
    guarded = _Guarded(array, path.name)
    if close is not None:
        finalize(guarded, close)
    return dask.array.from_array(guarded, chunks, asarray=False, name=False)


class _Guarded:
    """An array whose parts may be damaged."""

    def __init__(self, array: Any, name: str) -> None:
        self.array, self.name = array, name
        self.shape, self.dtype, self.ndim = tuple(array.shape), array.dtype, array.ndim

    def __getitem__(self, index: Any) -> Any:
        import numpy as np

        try:
            return np.asarray(self.array[index])
        except MemoryError:
            raise
        except Exception as error:
            raise PictureFileError(
                f"{self.name} is damaged, or was copied in part: some of it cannot be read."
            ) from error
