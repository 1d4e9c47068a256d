"""Volumes on grids of other spacing: resized along each axis, edge to edge.

A volume is ``(C, Z, Y, X)`` or ``(Z, Y, X)``; the last three axes are resized.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def resize(volume: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.float32]:
    """Resample a volume linearly so that its outer edges stay where they are.

    Parameters
    ----------
    volume : (..., Z, Y, X) float32
    shape : (z, y, x)
        Voxels wanted.
    """
    for axis, count in zip((-3, -2, -1), shape, strict=True):
        volume = _resize_axis(volume, axis, int(count))
    return volume


def _resize_axis(volume: NDArray[np.float32], axis: int, count: int) -> NDArray[np.float32]:
    size = volume.shape[axis]
    if size == count:
        return volume
    place = np.clip((np.arange(count) + 0.5) * size / count - 0.5, 0, size - 1)
    lower = np.minimum(place.astype(np.intp), max(size - 2, 0))
    weight = (place - lower).astype(np.float32)
    weight = weight.reshape((-1,) + (1,) * (-axis - 1))
    first: NDArray[np.float32] = np.take(volume, lower, axis)
    second = np.take(volume, np.minimum(lower + 1, size - 1), axis)
    first += (second - first) * weight
    return first


def resize_labels(labels: NDArray[np.int32], shape: Sequence[int]) -> NDArray[np.int32]:
    """Resample labels: each voxel takes the nearest one's."""
    places = [
        np.minimum(((np.arange(n) + 0.5) * size / n).astype(np.intp), size - 1)
        for n, size in zip(shape, labels.shape, strict=True)
    ]
    return labels[np.ix_(*places)]
