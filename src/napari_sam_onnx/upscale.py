"""Low-resolution logits -> masks on the plane's pixels, and how stable they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, overload

import numpy as np

from napari_sam_onnx.masks import Mask, crop_to_object
from napari_sam_onnx.regions import move_mask, unshrink

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import LowResMask, LowResMasks
    from napari_sam_onnx.regions import Region

MASK_THRESHOLD = 0.0
STABILITY_OFFSET = 1.0


def upscale_region(
    low_res: LowResMask, plane_shape: tuple[int, int], threshold: float
) -> tuple[tuple[int, int], NDArray[np.float32]]:
    """Resample logits onto the plane's pixels, where any can exceed a threshold.

    Bilinear between the centres of the low-resolution cells and constant beyond the outer
    ones (``align_corners=False``); in two such steps where the model's family does so. A
    bilinear value never exceeds its four neighbours, so the box around the cells above the
    threshold, one cell wider, holds every such pixel.

    Parameters
    ----------
    low_res : LowResMask
        The logits and the window of the plane that they cover.
    plane_shape : (H, W)
        Pixels of the plane.
    threshold : float
        Pixels at or below it may be left out.

    Returns
    -------
    origin : (y0, x0)
        The plane pixel of ``region[0, 0]``.
    region : (h, w) float32
        The logits on the plane's pixels; (0, 0) where none exceeds the threshold.
    """
    above = low_res.logits > threshold
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    empty = (0, 0), np.zeros((0, 0), np.float32)
    if rows.size == 0:
        return empty
    y0, x0, y1, x1 = (float(edge) for edge in low_res.window)
    (height, width), side = low_res.logits.shape, low_res.upscaled_side
    down = _axis_weights(rows[0], rows[-1], height, y0, y1, plane_shape[0], side)
    across = _axis_weights(columns[0], columns[-1], width, x0, x1, plane_shape[1], side)
    if down is None or across is None:
        return empty
    (top, cells, weights) = down
    lines = sum(low_res.logits[i] * w[:, None] for i, w in zip(cells, weights, strict=True))
    (left, cells, weights) = across
    region = sum(lines[:, j] * w for j, w in zip(cells, weights, strict=True))
    return (top, left), np.asarray(region, np.float32)


def _axis_weights(
    first: int, last: int, cells: int, start: float, stop: float, pixels: int, upscaled: int
) -> tuple[int, NDArray[np.intp], NDArray[np.float32]] | None:
    """Which cells each plane pixel is made of along one axis, and their weights.

    Covers the pixels whose centres lie within one cell of the cells ``first..last``, and to
    the window's edge where those are its outer cells.

    Returns
    -------
    begin : int
        The first pixel covered.
    cells : (K, n) intp
        K neighbouring cells for each of n pixels: 2, or 3 where the window is first
        upscaled to `upscaled` samples.
    weights : (K, n) float32
        Their parts, which add up to 1.
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
        return begin, neighbours, np.stack([1 - weight, weight])
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
    return begin, neighbours, weights.astype(np.float32)


def _find_between(
    position: NDArray[np.floating[Any]], count: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Split positions among `count` samples into the sample before and the part of the way."""
    clipped = np.clip(position, 0, count - 1)
    lower = np.minimum(clipped.astype(np.intp), max(count - 2, 0))
    return lower, (clipped - lower).astype(np.float32)


def measure_stability(
    logits: NDArray[np.float32],
    threshold: float = MASK_THRESHOLD,
    offset: float = STABILITY_OFFSET,
) -> float:
    """Area above ``threshold + offset`` over area above ``threshold - offset``.

    Parameters
    ----------
    logits : array of float32
        Logits on the plane's pixels; any region that holds all pixels above
        ``threshold - offset`` gives the same answer.

    Returns
    -------
    float
        0 to 1, or NaN where nothing lies above ``threshold - offset``.
    """
    wide = np.count_nonzero(logits > threshold - offset)
    narrow = np.count_nonzero(logits > threshold + offset)
    return narrow / wide if wide else float("nan")


def mask_from_low_res(
    low_res: LowResMask,
    plane_shape: tuple[int, int],
    predicted_iou: float = float("nan"),
    *,
    threshold: float = MASK_THRESHOLD,
    stability_offset: float = STABILITY_OFFSET,
) -> Mask:
    """Upscale one answer of a decoder into a mask of the plane.

    Parameters
    ----------
    low_res : LowResMask
        Logits and their window.
    plane_shape : (H, W)
        Pixels of the plane.
    predicted_iou : float
        The model's estimate, raw.
    threshold : float
        The object is where the logits exceed it.
    stability_offset : float
        See `measure_stability`.
    """
    origin, region = upscale_region(low_res, plane_shape, threshold - stability_offset)
    stability = measure_stability(region, threshold, stability_offset)
    mask = Mask(plane_shape, origin, region > threshold, float(predicted_iou), stability, low_res)
    return crop_to_object(mask)


class CandidateMasks(Sequence[Mask]):
    """All candidates that a decoder gave to one prompt, in the decoder's order.

    Each is upscaled when it is first looked at, and kept: on a large plane one costs as much as
    the decoder itself, and most are never seen.

    Parameters
    ----------
    answer : LowResMasks
    prompt : int
        Which of the answer's prompts.
    plane_shape : (H, W)
        Pixels of the plane.
    region : Region, optional
        The part of the plane that was looked at, where it was not all of it.
    """

    def __init__(
        self,
        answer: LowResMasks,
        prompt: int,
        plane_shape: tuple[int, int],
        region: Region | None = None,
    ) -> None:
        if region is not None:
            answer = unshrink(answer, region)
        self._region = region
        self._low_res = [answer.mask(prompt, c) for c in range(answer.logits.shape[1])]
        self._plane_shape = plane_shape
        self._masks: dict[int, Mask] = {}
        self.best = int(answer.best[prompt])
        self.scores = tuple(float(score) for score in answer.predicted_iou[prompt])

    def __len__(self) -> int:
        return len(self._low_res)

    @overload
    def __getitem__(self, index: int) -> Mask: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Mask, ...]: ...

    def __getitem__(self, index: int | slice) -> Mask | tuple[Mask, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        number = range(len(self))[index]
        if number not in self._masks:
            self._masks[number] = self._upscale(number)
        return self._masks[number]

    def _upscale(self, number: int) -> Mask:
        """Upscale a candidate inside what was looked at, and no further."""
        low_res, score, region = self._low_res[number], self.scores[number], self._region
        if region is None:
            return mask_from_low_res(low_res, self._plane_shape, score)
        return move_mask(mask_from_low_res(low_res, region.shape, score), region, self._plane_shape)

    def is_upscaled(self, index: int) -> bool:
        """Whether a candidate has been looked at, so that it costs nothing now."""
        return index in self._masks

    @property
    def nbytes(self) -> int:
        """Bytes that the logits and the upscaled masks occupy."""
        logits = sum(low_res.logits.nbytes for low_res in self._low_res)
        return logits + sum(mask.crop.nbytes for mask in self._masks.values())


def best_mask(
    answer: LowResMasks, prompt: int, plane_shape: tuple[int, int], region: Region | None = None
) -> Mask:
    """Upscale the candidate to show first; its ``candidates`` are all of them."""
    candidates = CandidateMasks(answer, prompt, plane_shape, region)
    return replace(candidates[candidates.best], candidates=candidates)
