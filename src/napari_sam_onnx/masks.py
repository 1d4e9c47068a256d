"""Masks: low-resolution logits -> box-cropped boolean masks with scores, and their geometry.

A mask is stored as its bounding box and the boolean crop inside it, so that a thousand masks
of a large plane do not cost a thousand planes. Nothing here knows about models or labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from napari_sam_onnx.embedding import LowResMask, LowResMasks

MASK_THRESHOLD = 0.0
STABILITY_OFFSET = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """One object on a plane.

    Parameters
    ----------
    shape : (H, W)
        Pixels of the plane.
    origin : (y0, x0)
        The plane pixel of ``crop[0, 0]``.
    crop : (h, w) bool
        The object inside its bounding box; (0, 0) where the mask is empty.
    predicted_iou : float
        The model's own estimate of the IoU, raw: it may exceed 1.
    stability : float
        Area at ``logits > 1`` over area at ``logits > -1`` (Kirillov et al. 2023,
        appendix B); NaN where both are empty.
    low_res : LowResMask or None
        The logits that the mask came from, which refine the next answer.
    candidates : tuple of Mask
        The model's other answers to the same prompt, this one included, in its own order.
    point : (y, x) or None
        The click that found it, where automatic masks did.
    crop_box : (y0, x0, y1, x1) or None
        The part of the plane that was searched then, half-open.
    """

    shape: tuple[int, int]
    origin: tuple[int, int]
    crop: NDArray[np.bool_]
    predicted_iou: float = float("nan")
    stability: float = float("nan")
    low_res: LowResMask | None = None
    candidates: tuple[Mask, ...] = ()
    point: tuple[float, float] | None = None
    crop_box: tuple[int, int, int, int] | None = None

    @property
    def score(self) -> float:
        """The predicted IoU, raw."""
        return self.predicted_iou

    @property
    def area(self) -> int:
        """Pixels of the object."""
        return int(np.count_nonzero(self.crop))

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """``(y0, x0, y1, x1)``, half-open, in plane pixels."""
        (y0, x0), (h, w) = self.origin, self.crop.shape
        return y0, x0, y0 + h, x0 + w

    @property
    def slices(self) -> tuple[slice, slice]:
        """Where the crop lies in the plane."""
        y0, x0, y1, x1 = self.bbox
        return slice(y0, y1), slice(x0, x1)

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        """Return the whole plane, ``(H, W)`` bool."""
        plane = np.zeros(self.shape, bool)
        plane[self.slices] = self.crop
        return plane if dtype is None else plane.astype(dtype)

    def __bool__(self) -> bool:
        return bool(self.crop.size)

    @classmethod
    def from_array(cls, plane: ArrayLike) -> Mask:
        """Crop a boolean plane to its object.

        Parameters
        ----------
        plane : (H, W) array-like
            Nonzero inside the object.
        """
        array = np.asarray(plane, dtype=bool)
        height, width = array.shape
        return crop_to_object(cls((height, width), (0, 0), array))


def crop_to_object(mask: Mask) -> Mask:
    """Shrink a mask's crop to the pixels that are set."""
    rows = np.flatnonzero(mask.crop.any(axis=1))
    if rows.size == 0:
        return replace(mask, origin=(0, 0), crop=np.zeros((0, 0), bool))
    columns = np.flatnonzero(mask.crop.any(axis=0))
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    if (top, left) == (0, 0) and (bottom, right) == mask.crop.shape:
        return mask
    origin = mask.origin[0] + int(top), mask.origin[1] + int(left)
    return replace(mask, origin=origin, crop=mask.crop[top:bottom, left:right].copy())


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


def candidate_masks(
    answer: LowResMasks, prompt: int, plane_shape: tuple[int, int]
) -> tuple[Mask, ...]:
    """All candidates that a decoder gave to one prompt, in the decoder's order."""
    return tuple(
        mask_from_low_res(answer.mask(prompt, c), plane_shape, answer.predicted_iou[prompt, c])
        for c in range(answer.logits.shape[1])
    )


def measure_overlap(a: Mask, b: Mask) -> int:
    """Pixels that two masks of one plane share."""
    y0, x0 = max(a.bbox[0], b.bbox[0]), max(a.bbox[1], b.bbox[1])
    y1, x1 = min(a.bbox[2], b.bbox[2]), min(a.bbox[3], b.bbox[3])
    if y0 >= y1 or x0 >= x1:
        return 0
    in_a = a.crop[y0 - a.origin[0] : y1 - a.origin[0], x0 - a.origin[1] : x1 - a.origin[1]]
    in_b = b.crop[y0 - b.origin[0] : y1 - b.origin[0], x0 - b.origin[1] : x1 - b.origin[1]]
    return int(np.count_nonzero(in_a & in_b))


def measure_iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks of one plane; 0 where both are empty."""
    shared = measure_overlap(a, b)
    union = a.area + b.area - shared
    return shared / union if union else 0.0


def suppress_overlapping(
    boxes: ArrayLike, scores: ArrayLike, iou_threshold: float
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression of boxes, as torchvision's ``nms``.

    Parameters
    ----------
    boxes : (N, 4) array-like
        ``(y0, x0, y1, x1)``; areas are ``(y1 - y0) * (x1 - x0)``.
    scores : (N,) array-like
        Higher wins; equal scores keep their order.
    iou_threshold : float
        A box is dropped where its IoU with a kept one is greater.

    Returns
    -------
    (K,) intp
        The kept indices, by descending score.
    """
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    area = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    kept = []
    while order.size:
        head, rest = order[0], order[1:]
        kept.append(head)
        overlap = np.clip(
            np.minimum(corners[head, 2:], corners[rest, 2:])
            - np.maximum(corners[head, :2], corners[rest, :2]),
            0,
            None,
        ).prod(axis=1)
        union = area[head] + area[rest] - overlap
        iou = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
        order = rest[iou <= iou_threshold]
    return np.array(kept, dtype=np.intp)
