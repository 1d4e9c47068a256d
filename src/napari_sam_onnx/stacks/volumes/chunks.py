"""A volume in overlapping chunks, and objects of all chunks put together without seams."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.labels.linking import count_overlaps, measure_areas

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAME = 0.5
"""Two objects of different chunks are one where they share this part of the smaller."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a volume.

    Parameters
    ----------
    core : ((z0, z1), (y0, y1), (x0, x1))
        The voxels whose objects this chunk answers for.
    box : ((z0, z1), (y0, y1), (x0, x1))
        The voxels that are read: the core and a margin as wide as objects.
    """

    core: tuple[tuple[int, int], ...]
    box: tuple[tuple[int, int], ...]

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Where the box lies in the volume."""
        z, y, x = (slice(low, high) for low, high in self.box)
        return z, y, x

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels of the box."""
        return tuple(high - low for low, high in self.box)


def lay_chunks(
    shape: tuple[int, ...], side: tuple[int, ...], margin: tuple[int, ...]
) -> list[Chunk]:
    """Divide a volume into chunks whose boxes have at most a given size.

    Parameters
    ----------
    shape : (Z, Y, X)
    side : (z, y, x)
        Voxels of a box, margins included.
    margin : (z, y, x)
        Voxels that a box reaches beyond its core.

    Returns
    -------
    list of Chunk
        The first axis slowest, so that planes are finished in order.
    """
    spans = []
    for size, most, rim in zip(shape, side, margin, strict=True):
        if size <= most:
            spans.append([((0, size), (0, size))])
            continue
        count = -(-size // max(1, most - 2 * rim))
        edges = np.linspace(0, size, count + 1).round().astype(int).tolist()
        spans.append(
            [
                ((low, high), (max(0, low - rim), min(size, high + rim)))
                for low, high in pairwise(edges)
            ]
        )
    return [
        Chunk(tuple(core for core, _ in parts), tuple(box for _, box in parts))
        for parts in product(*spans)
    ]


def join_chunk(
    written: NDArray[np.uint32],
    labels: NDArray[np.int32],
    peaks: NDArray[np.float64],
    chunk: Chunk,
    next_label: int,
) -> tuple[NDArray[np.uint32], int]:
    """Add the objects of a chunk to those of the chunks before.

    An object whose centre lies in the core of a later chunk is left to that one, which sees more
    of it. One that an earlier chunk has already is not added twice, and no voxel changes its owner.

    Parameters
    ----------
    written : (z, y, x) uint32
        Labels in the chunk's box so far.
    labels : (z, y, x) int32
        The chunk's own objects, any numbers.
    peaks : (N + 1, 3) float64
        By number, the object's centre in voxels of the box.
    chunk : Chunk
    next_label : int
        First free number.

    Returns
    -------
    joined : (z, y, x) uint32
    next_label : int
    """
    joined = written.copy()
    ids, sizes = measure_areas(labels)
    taken = np.zeros(len(ids))
    own, other, shared = count_overlaps(labels, written)
    if len(own):
        other_ids, other_sizes = measure_areas(written)
        smaller = np.minimum(
            sizes[np.searchsorted(ids, own)], other_sizes[np.searchsorted(other_ids, other)]
        )
        np.maximum.at(taken, np.searchsorted(ids, own), shared / smaller)
    numbers = np.zeros(int(labels.max()) + 1 if labels.size else 1, np.uint32)
    for label, part in zip(ids, taken, strict=True):
        place = peaks[label] + [low for low, _ in chunk.box]
        later = any(
            p >= high and high < box_high
            for p, (_, high), (_, box_high) in zip(place, chunk.core, chunk.box, strict=True)
        )
        if later or part > SAME:
            continue
        numbers[label] = next_label
        next_label += 1
    mine = numbers[labels]
    free = (joined == 0) & (mine > 0)
    joined[free] = mine[free]
    return joined, next_label
