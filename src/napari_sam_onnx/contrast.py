"""Contrast limits of a whole picture or stack, from few of its pixels.

A lazy array is never loaded whole: some of its chunks are read, spread evenly over all axes,
each once for all channels.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PERCENTILES = (0.1, 99.9)
# Limits come from about this many pixels per channel.
SAMPLE_PIXELS = 4_000_000
# Of an array in memory or a mapped file, that many planes are looked at.
PLANES = 16
# Of a lazy array, chunks of about this many pixels are read, but at least and at most so many,
# and no more than half of them where there are more than `PLANES`.
READ_PIXELS = 64_000_000
FEWEST_CELLS, MOST_CELLS = 8, 64
# Chunks that are smaller are read several at once.
CELL_SIDE = 512

# How far one goes along each further axis from cell to cell: steps that never fall in line
# (Roberts 2018, "The unreasonable effectiveness of quasirandom sequences").
_STEPS = (0.6180339887498949, 0.7548776662466927, 0.5698402909980532, 0.4301597090019468)


def measure_limits(
    values: NDArray[Any], percentiles: tuple[float, float] = PERCENTILES
) -> tuple[float, float]:
    """Contrast limits of one channel from percentiles of its finite values.

    Parameters
    ----------
    values : array of any dtype and shape
        The channel, or a sample of it, in memory.
    percentiles : (low, high)
        In percent.

    Returns
    -------
    (low, high) : tuple of float
        Equal where the channel is constant; (0, 0) where it holds no finite value.
    """
    if values.dtype == bool:
        return 0.0, 1.0
    sample = values.astype(np.float64, copy=False).ravel()
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 0.0
    low, high = (float(v) for v in np.percentile(sample, percentiles))
    if low == high:  # a few bright puncta on a flat ground
        low, high = float(sample.min()), float(sample.max())
    return low, high


def sample_channels(array: Any, axes: str, channels: Sequence[int]) -> list[NDArray[Any]]:
    """Read some pixels of each channel, spread evenly over the whole array.

    Parameters
    ----------
    array : array of any dtype
        In memory, mapped, or lazy (dask, zarr, h5py): what has chunks is read by chunks.
    axes : str
        One letter per dimension, Y, X and perhaps C among them.
    channels : sequence of int
        Positions along C; [0] where there is no C.

    Returns
    -------
    list of (N,) array
        One per channel.
    """
    chunks = chunk_shape(array)
    joined = "C" in axes and (chunks is None or chunks[axes.index("C")] > 1)
    cells = _choose_cells(array.shape, axes, chunks)
    share = max(1, SAMPLE_PIXELS // max(1, len(cells)))
    parts: list[list[NDArray[Any]]] = [[] for _ in channels]
    for cell in cells:
        steps = _thin(cell, axes, share)
        if chunks is None:  # a strided view reads nothing between
            where = tuple(steps[axis] for axis in axes if axis != "C")
        else:
            where = tuple(cell[axis] for axis in axes if axis != "C")
        block = None
        for number, channel in enumerate(channels):
            if not joined:
                values = np.asarray(array[_insert(where, axes, channel)])
            else:
                if block is None:
                    block = np.asarray(array[_insert(where, axes, slice(None))])
                values = np.take(block, channel, axis=axes.index("C"))
            if chunks is not None:
                values = values[
                    tuple(slice(None, None, steps[axis].step) for axis in axes if axis != "C")
                ]
            parts[number].append(values.ravel())
    return [np.concatenate(found) for found in parts]


def chunk_shape(array: Any) -> tuple[int, ...] | None:
    """Return the pixels of a chunk along each axis; None where an array has no chunks."""
    chunks = getattr(array, "chunks", None)
    if not chunks:
        return None
    return tuple(int(max(size)) if isinstance(size, tuple) else int(size) for size in chunks)


def _choose_cells(
    shape: Sequence[int], axes: str, chunks: tuple[int, ...] | None
) -> list[dict[str, slice]]:
    """Choose the parts of an array to look at: a slice for each axis but C."""
    names = [axis for axis in axes if axis != "C"]
    whole = {axis: int(n) for axis, n in zip(axes, shape, strict=True)}
    if chunks is None:
        size = {axis: whole[axis] if axis in "YX" else 1 for axis in names}
        wanted = PLANES
    else:
        size = dict(zip(axes, chunks, strict=True))
        for axis in "YX":
            size[axis] *= max(1, CELL_SIDE // size[axis])
        size = {axis: min(size[axis], whole[axis]) for axis in names}
        wanted = min(MOST_CELLS, max(FEWEST_CELLS, READ_PIXELS // prod(size.values())))
    counts = {axis: -(-whole[axis] // size[axis]) for axis in names}
    wanted = min(wanted, max(PLANES, prod(counts.values()) // 2))
    return [
        {axis: slice(i * size[axis], min((i + 1) * size[axis], whole[axis])) for axis, i in at}
        for at in (list(zip(names, place, strict=True)) for place in _spread(counts, wanted))
    ]


def _spread(counts: dict[str, int], wanted: int) -> list[tuple[int, ...]]:
    """Choose places of a grid evenly: all where there are no more than are wanted."""
    if prod(counts.values()) <= wanted:
        return list(product(*(range(count) for count in counts.values())))
    longest = max(counts, key=lambda axis: counts[axis])
    places = []
    for i in range(wanted):
        steps = iter(_STEPS)
        places.append(
            tuple(
                int((i + 0.5) * count / wanted)
                if axis == longest
                else int((0.5 + i * next(steps)) % 1 * count)
                for axis, count in counts.items()
            )
        )
    return list(dict.fromkeys(places))


def _thin(cell: dict[str, slice], axes: str, pixels: int) -> dict[str, slice]:
    """Take every n-th row and column of a cell, so that about so many pixels are left."""
    size = prod(part.stop - part.start for part in cell.values())
    step = max(1, int(np.ceil(np.sqrt(size / pixels))))
    return {
        axis: slice(part.start, part.stop, step)
        if axis in "YX"
        else slice(part.start, part.stop, 1)
        for axis, part in cell.items()
    }


def _insert(where: tuple[slice, ...], axes: str, channel: int | slice) -> tuple[int | slice, ...]:
    """Put the index along C among those of the other axes."""
    if "C" not in axes:
        return where
    at = axes.index("C")
    return (*where[:at], channel, *where[at:])
