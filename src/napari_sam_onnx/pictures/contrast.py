"""Contrast limits of a whole picture or stack, from few of its pixels.

A lazy array is never loaded whole: some of its chunks are read, spread evenly over all axes,
each once for all channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PERCENTILES = (0.1, 99.9)
# Objects that cover less than the percentiles leave out are so many times brighter than these.
SPARSE = 4.0
# Pixels of a sample, the brightest, whose neighbours are looked at.
BRIGHTEST = 64
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


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Some pixels of a channel.

    Parameters
    ----------
    values : (N,) array
    peak : float
        How bright its brightest pixels are together with their neighbours: the middle one of the
        medians of 3 × 3 pixels, which a hot pixel does not move. NaN where it is not known.
    """

    values: NDArray[Any]
    peak: float = float("nan")


def measure_limits(
    values: NDArray[Any],
    percentiles: tuple[float, float] = PERCENTILES,
    peak: float = float("nan"),
) -> tuple[float, float]:
    """Contrast limits of one channel from percentiles of its finite values.

    Parameters
    ----------
    values : array of any dtype and shape
        The channel, or a sample of it, in memory.
    percentiles : (low, high)
        In percent.
    peak : float
        See `Sample`. Where it lies `SPARSE` times higher than the percentiles reach, few bright
        objects lie on a dark ground, and the limits reach up to it.

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
    if peak - low > SPARSE * (high - low):
        high = peak
    return low, high


def sample_channels(array: Any, axes: str, channels: Sequence[int]) -> list[Sample]:
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
    list of Sample
        One per channel.
    """
    chunks = chunk_shape(array)
    joined = "C" in axes and (chunks is None or chunks[axes.index("C")] > 1)
    cells = _choose_cells(array.shape, axes, chunks)
    share = max(1, SAMPLE_PIXELS // max(1, len(cells)))
    order = "".join(axis for axis in axes if axis != "C")
    parts: list[list[NDArray[Any]]] = [[] for _ in channels]
    around: list[list[float]] = [[] for _ in channels]
    for cell in cells:
        where = tuple(cell[axis] for axis in order)
        thin = tuple(slice(None, None, _thin(cell, share) if a in "YX" else 1) for a in order)
        block = None
        for number, channel in enumerate(channels):
            if joined and chunks is not None:
                if block is None:  # once for all channels
                    block = np.asarray(array[_insert(where, axes, slice(None))])
                full = np.take(block, channel, axis=axes.index("C"))
            else:
                full = array[_insert(where, axes, channel)]
                full = full if chunks is None else np.asarray(full)
            values = np.asarray(full[thin])  # of what is not loaded nothing between is read
            parts[number].append(values.ravel())
            around[number] += _look_around(full, order, values, thin, BRIGHTEST // len(cells) + 1)
    return [
        Sample(np.concatenate(found), float(np.median(medians)) if medians else float("nan"))
        for found, medians in zip(parts, around, strict=True)
    ]


def _look_around(
    full: Any, axes: str, values: NDArray[Any], thin: tuple[slice, ...], count: int
) -> list[float]:
    """Medians of 3 × 3 pixels around the brightest of a sample."""
    if values.dtype == bool or not values.size:
        return []
    flat = values.ravel()
    flat = np.where(np.isfinite(flat), flat, flat.dtype.type(0)) if flat.dtype.kind == "f" else flat
    top = np.argpartition(flat, max(0, flat.size - count))[-count:]
    medians = []
    for place in zip(*np.unravel_index(top, values.shape), strict=True):
        at = [int(i) * (part.step or 1) for i, part in zip(place, thin, strict=True)]
        window = tuple(
            slice(max(0, i - 1), i + 2) if axis in "YX" else slice(i, i + 1)
            for i, axis in zip(at, axes, strict=True)
        )
        medians.append(float(np.median(np.asarray(full[window]))))
    return medians


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


def _thin(cell: dict[str, slice], pixels: int) -> int:
    """Say which rows and columns of a cell to take, so that about so many pixels are left."""
    size = prod(part.stop - part.start for part in cell.values())
    return max(1, int(np.ceil(np.sqrt(size / pixels))))


def _insert(where: tuple[slice, ...], axes: str, channel: int | slice) -> tuple[int | slice, ...]:
    """Put the index along C among those of the other axes."""
    if "C" not in axes:
        return where
    at = axes.index("C")
    return (*where[:at], channel, *where[at:])
