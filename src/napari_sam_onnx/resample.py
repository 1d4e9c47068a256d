"""Logits at a decoder's resolution -> logits on a plane's pixels, some rows at a time.

Bilinear between the centres of the low-resolution cells and constant beyond the outer ones
(``align_corners=False``); in two such steps where the model's family does so. Along an axis each
pixel is a sum of 2 or 3 neighbouring cells, so some rows are a small matrix times the cells' rows;
they stay in the processor's cache while they are looked at, and no plane of floats is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import LowResMask

_BLOCK = 2**15  # pixels resampled at once; OpenBLAS splits larger products among threads that wait
_MOST = 64  # rows at once; of more, most weights of their matrix are zeros
_COLUMNS = 48


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """What pixels are made of along one axis.

    Parameters
    ----------
    begin : int
        The first pixel covered.
    cells : (K, n) intp
        K neighbouring cells for each of n pixels.
    weights : (K, n) float32
        Their parts, which add up to 1.
    """

    begin: int
    cells: NDArray[np.intp]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.cells.shape[1])

    def iterate(self, step: int) -> Iterator[tuple[int, slice, NDArray[np.float32]]]:
        """Cut the axis into parts: first pixel, cells, and weights (pixels, cells)."""
        for start in range(0, len(self), step):
            cells = self.cells[:, start : start + step]
            first, last = int(cells.min()), int(cells.max()) + 1
            matrix = np.zeros((cells.shape[1], last - first), np.float32)
            pixels = np.arange(cells.shape[1])
            for row, weights in zip(cells, self.weights[:, start : start + step], strict=True):
                matrix[pixels, row - first] += weights
            yield start, slice(first, last), matrix


class Resampling:
    """The logits of a mask on the plane's pixels, where any can exceed a threshold.

    A bilinear value never exceeds its neighbours, so the box around the cells above the
    threshold, one cell wider, holds every such pixel.

    Parameters
    ----------
    low_res : LowResMask
        The logits and the window of the plane that they cover.
    plane_shape : (H, W)
        Pixels of the plane.
    threshold : float
        Pixels at or below it may be left out.

    Attributes
    ----------
    origin : (y0, x0)
        The plane pixel of the first row and column.
    shape : (h, w)
        (0, 0) where no pixel exceeds the threshold.
    """

    def __init__(self, low_res: LowResMask, plane_shape: tuple[int, int], threshold: float) -> None:
        self._logits = low_res.logits
        self.origin, self.shape = (0, 0), (0, 0)
        above = self._logits > threshold
        rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
        if rows.size == 0:
            return
        y0, x0, y1, x1 = (float(edge) for edge in low_res.window)
        (height, width), side = self._logits.shape, low_res.upscaled_side
        down = _find_axis(rows[0], rows[-1], height, y0, y1, plane_shape[0], side)
        across = _find_axis(columns[0], columns[-1], width, x0, x1, plane_shape[1], side)
        if down is None or across is None:
            return
        self._down, self._across = down, across
        self.origin, self.shape = (down.begin, across.begin), (len(down), len(across))

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Give rows ``(n, w)`` with the number of the first, in an array that is used again."""
        if 0 in self.shape:
            return
        cells = slice(int(self._down.cells.min()), int(self._down.cells.max()) + 1)
        lines = np.empty((cells.stop, self.shape[1]), np.float32)
        for start, among, weights in self._across.iterate(_COLUMNS):
            part = lines[cells, start : start + len(weights)]
            np.matmul(self._logits[cells, among], weights.T, out=part)
        step = max(1, min(_MOST, _BLOCK // self.shape[1]))
        buffer = np.empty((step, self.shape[1]), np.float32)
        for start, among, weights in self._down.iterate(step):
            block = buffer[: len(weights)]
            np.matmul(weights, lines[among], out=block)
            yield start, block


def _find_axis(
    first: int, last: int, cells: int, start: float, stop: float, pixels: int, upscaled: int
) -> _Axis | None:
    """Which cells each plane pixel is made of along one axis, and their weights.

    Covers the pixels whose centres lie within one cell of the cells ``first..last``, and to
    the window's edge where those are its outer cells.

    Returns
    -------
    _Axis or None
        With 2 cells for each pixel, or 3 where the window is first upscaled to `upscaled`
        samples; None where no pixel is covered.
    """
    cell = (stop - start) / cells
    step = (stop - start) / upscaled if upscaled else 0.0
    low = start if first == 0 else start + (first - 0.5) * cell - step
    high = stop if last == cells - 1 else start + (last + 1.5) * cell + step
    begin = max(0, int(np.ceil(low - 0.5)))
    end = min(pixels, int(np.ceil(high - 0.5)))
    if begin >= end:
        return None
    centres = np.arange(begin, end, dtype=np.float64) + 0.5
    if upscaled <= cells:
        lower, weight = _find_between((centres - start) / cell - 0.5, cells)
        neighbours = np.stack([lower, np.minimum(lower + 1, cells - 1)])
        return _Axis(begin, neighbours, np.stack([1 - weight, weight]))
    # Samples beyond the plane are cut off before the second step, so none is read there.
    inside = min(upscaled, max(1, round((pixels - start) / step)))
    sample, weight = _find_between((centres - start) / step - 0.5, inside)
    ratio = cells / upscaled
    lower, in_first = _find_between((sample + 0.5) * ratio - 0.5, cells)
    following = np.minimum(sample + 1, inside - 1)
    upper, in_second = _find_between((following + 0.5) * ratio - 0.5, cells)
    moved = upper - lower  # 0 or 1: how many cells the second sample lies further
    weights = np.stack(
        [
            (1 - weight) * (1 - in_first) + weight * (1 - in_second) * (moved == 0),
            (1 - weight) * in_first + weight * np.where(moved == 0, in_second, 1 - in_second),
            weight * in_second * (moved == 1),
        ]
    )
    neighbours = np.minimum(lower + np.arange(3)[:, None], cells - 1)
    return _Axis(begin, neighbours, weights.astype(np.float32))


def _find_between(
    position: NDArray[np.floating[Any]], count: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Split positions among `count` samples into the sample before and the part of the way."""
    clipped = np.clip(position, 0, count - 1)
    lower = np.minimum(clipped.astype(np.intp), max(count - 2, 0))
    return lower, (clipped - lower).astype(np.float32)
