"""Logits at a decoder's resolution -> logits on a plane's pixels, some rows at a time.

Bilinear between the centres of the low-resolution cells and constant beyond the outer ones
(``align_corners=False``); in two such steps where the model's family does so. Along an axis each
pixel is a sum of 2 or 3 neighbouring cells, so some rows are a small matrix times the cells' rows;
they stay in the processor's cache while they are looked at, and no plane of floats is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import LowResMask

Number = TypeVar("Number", np.float32, np.bool_)

_ALONE = 2**18  # multiply-adds of a product that OpenBLAS does not split among threads that wait
_MOST = 64  # rows at once; of more, most weights of their matrix are zeros
_CACHED = 2**15  # pixels at once
_COLUMNS = 48
_KEPT = 16  # axes whose weights are kept; those of a plane are the same for all its masks


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

    def cut(self, step: int) -> tuple[_Part, ...]:
        """Cut the axis into parts of some pixels each."""
        return tuple(self._cut_out(start, start + step) for start in range(0, len(self), step))

    def _cut_out(self, start: int, stop: int) -> _Part:
        cells = self.cells[:, start:stop]
        first, last = int(cells.min()), int(cells.max()) + 1
        matrix = np.zeros((cells.shape[1], last - first), np.float32)
        pixels = np.arange(cells.shape[1])
        for row, weights in zip(cells, self.weights[:, start:stop], strict=True):
            matrix[pixels, row - first] += weights
        return _Part(self.begin + start, slice(first, last), matrix)


_Geometry = tuple[int, float, float, int, int]
"""Cells, where the first begins and the last ends, pixels, and samples in between (or 0)."""


class _Part(NamedTuple):
    """Some pixels of an axis: the first, the cells they are made of, and (pixels, cells)."""

    begin: int
    cells: slice
    weights: NDArray[np.float32]

    def narrow(self, begin: int, end: int) -> _Part:
        """Leave out pixels before `begin` and from `end` on."""
        if begin <= self.begin and self.begin + len(self.weights) <= end:
            return self
        first = max(begin - self.begin, 0)
        return _Part(self.begin + first, self.cells, self.weights[first : end - self.begin])


@lru_cache(_KEPT)
def _lay_parts(
    cells: int, start: float, stop: float, pixels: int, upscaled: int, step: int
) -> tuple[_Part, ...]:
    """Cut all pixels of an axis that a window covers into parts."""
    axis = _find_axis(cells, start, stop, pixels, upscaled)
    return () if axis is None else axis.cut(step)


class Scratch:
    """Memory that is used again; to fetch it anew takes longer than what is done in it."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def take(self, shape: tuple[int, int], dtype: type[Number], use: str) -> NDArray[Number]:
        """Give an array of any content, valid until the same use asks again."""
        size = shape[0] * shape[1] * np.dtype(dtype).itemsize
        kept = self._kept.get(use)
        if kept is None or kept.size < size:
            kept = self._kept[use] = np.empty(size, np.uint8)
        return kept[:size].view(dtype).reshape(shape)


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
    scratch : Scratch, optional
        Where pixels are made.

    Attributes
    ----------
    origin : (y0, x0)
        The plane pixel of the first row and column.
    shape : (h, w)
        (0, 0) where no pixel exceeds the threshold.
    """

    def __init__(
        self,
        low_res: LowResMask,
        plane_shape: tuple[int, int],
        threshold: float,
        scratch: Scratch | None = None,
    ) -> None:
        self._logits = low_res.logits
        self._scratch = Scratch() if scratch is None else scratch
        self.origin, self.shape = (0, 0), (0, 0)
        above = self._logits > threshold
        rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
        if rows.size == 0:
            return
        y0, x0, y1, x1 = (float(edge) for edge in low_res.window)
        (height, width), side = self._logits.shape, low_res.upscaled_side
        self._down = (height, y0, y1, plane_shape[0], side)
        self._across = (width, x0, x1, plane_shape[1], side)
        top, bottom = _find_pixels(rows[0], rows[-1], *self._down)
        left, right = _find_pixels(columns[0], columns[-1], *self._across)
        if top < bottom and left < right:
            self.origin, self.shape = (top, left), (bottom - top, right - left)

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Give rows ``(n, w)`` with the number of the first, in an array that is used again."""
        if 0 in self.shape:
            return
        (top, left), (height, width) = self.origin, self.shape
        step = _choose_step(self._down, width, min(_MOST, _CACHED // width))
        down = _narrow(_lay_parts(*self._down, step), top, top + height)
        cells = slice(down[0].cells.start, down[-1].cells.stop)
        columns = _choose_step(self._across, cells.stop - cells.start, _COLUMNS)
        across = _narrow(_lay_parts(*self._across, columns), left, left + width)
        lines = self._scratch.take((cells.stop, width), np.float32, "lines")
        for start, among, weights in across:
            part = lines[cells, start - left : start - left + len(weights)]
            np.matmul(self._logits[cells, among], weights.T, out=part)
        buffer = self._scratch.take((step, width), np.float32, "rows")
        for start, among, weights in down:
            block = buffer[: len(weights)]
            np.matmul(weights, lines[among], out=block)
            yield start - top, block


def _choose_step(axis: _Geometry, others: int, most: int) -> int:
    """How many pixels along an axis are made at once, with so many of the other axis."""
    cells, start, stop, *_ = axis
    spread = cells / (stop - start)  # cells a pixel
    step = max(1, most)
    while step > 1 and step * others * (step * spread + 3) > _ALONE:
        step -= 1
    return step


def _narrow(parts: tuple[_Part, ...], begin: int, end: int) -> list[_Part]:
    """Choose the parts between two pixels, without what lies beyond."""
    return [
        part.narrow(begin, end)
        for part in parts
        if part.begin < end and part.begin + len(part.weights) > begin
    ]


def _find_pixels(
    first: int, last: int, cells: int, start: float, stop: float, pixels: int, upscaled: int
) -> tuple[int, int]:
    """Find the first and the end of the pixels that cells ``first..last`` have a part in.

    These are those whose centres lie within one cell of them, and those to the window's edge
    where they are its outer cells.
    """
    cell = (stop - start) / cells
    step = (stop - start) / upscaled if upscaled else 0.0
    low = start if first == 0 else start + (first - 0.5) * cell - step
    high = stop if last == cells - 1 else start + (last + 1.5) * cell + step
    return max(0, int(np.ceil(low - 0.5))), min(pixels, int(np.ceil(high - 0.5)))


def _find_axis(cells: int, start: float, stop: float, pixels: int, upscaled: int) -> _Axis | None:
    """Which cells each plane pixel in a window is made of along one axis, and their weights.

    Returns
    -------
    _Axis or None
        With 2 cells for each pixel, or 3 where the window is first upscaled to `upscaled`
        samples; None where no pixel is covered.
    """
    begin, end = _find_pixels(0, cells - 1, cells, start, stop, pixels, upscaled)
    if begin >= end:
        return None
    cell = (stop - start) / cells
    step = (stop - start) / upscaled if upscaled else 0.0
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
