"""A mask as a value: the boolean crop inside its bounding box, with its scores.

A mask is stored as its bounding box and the boolean crop inside it, or that crop packed, so that
a thousand masks of a large plane do not cost a thousand planes. Nothing here knows about models
or labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.masks.packed import PackedPixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from napari_sam_onnx.embedding import LowResMask


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """One object on a plane.

    Parameters
    ----------
    shape : (H, W)
        Pixels of the plane.
    origin : (y0, x0)
        The plane pixel of ``crop[0, 0]``.
    pixels : (h, w) bool, or PackedPixels
        The object inside its bounding box; (0, 0) where the mask is empty. See `crop`.
    predicted_iou : float
        The model's own estimate of the IoU, raw: it may exceed 1.
    stability : float
        Area at ``logits > 1`` over area at ``logits > -1`` (Kirillov et al. 2023,
        appendix B); NaN where both are empty.
    low_res : LowResMask or None
        The logits that the mask came from, which refine the next answer.
    candidates : sequence of Mask
        The model's answers to the same prompt, this one included, in its own order.
    point : (y, x) or None
        The click that found it, where automatic masks did.
    crop_box : (y0, x0, y1, x1) or None
        The part of the plane that was searched then, half-open.
    rating : float
        What automatic masks rate it by, where that is not the predicted IoU; else NaN.
    label : int
        The number that the object has in the label image that it was found by; 0 where none.
    """

    shape: tuple[int, int]
    origin: tuple[int, int]
    pixels: NDArray[np.bool_] | PackedPixels
    predicted_iou: float = float("nan")
    stability: float = float("nan")
    low_res: LowResMask | None = None
    candidates: Sequence[Mask] = ()
    point: tuple[float, float] | None = None
    crop_box: tuple[int, int, int, int] | None = None
    rating: float = float("nan")
    label: int = 0

    @property
    def score(self) -> float:
        """The predicted IoU, raw."""
        return self.predicted_iou

    @property
    def crop(self) -> NDArray[np.bool_]:
        """The object inside its bounding box, (h, w); made anew at each look where it is packed."""
        pixels = self.pixels
        return pixels.unpack() if isinstance(pixels, PackedPixels) else pixels

    @property
    def area(self) -> int:
        """Pixels of the object."""
        pixels = self.pixels
        return pixels.count() if isinstance(pixels, PackedPixels) else int(np.count_nonzero(pixels))

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """``(y0, x0, y1, x1)``, half-open, in plane pixels."""
        (y0, x0), (h, w) = self.origin, self.pixels.shape
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
        return bool(self.pixels.size)

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
    crop = mask.crop
    rows = np.flatnonzero(crop.any(axis=1))
    if rows.size == 0:
        return replace(mask, origin=(0, 0), pixels=np.zeros((0, 0), bool))
    columns = np.flatnonzero(crop.any(axis=0))
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    if (top, left) == (0, 0) and (bottom, right) == crop.shape:
        return mask
    origin = mask.origin[0] + int(top), mask.origin[1] + int(left)
    return replace(mask, origin=origin, pixels=crop[top:bottom, left:right].copy())


def widen(mask: Mask, rim: int) -> Mask:
    """Widen a mask's crop by some pixels on each side, as far as the plane goes."""
    y0, x0, y1, x1 = mask.bbox
    above, left = min(rim, y0), min(rim, x0)
    below, right = min(rim, mask.shape[0] - y1), min(rim, mask.shape[1] - x1)
    crop = np.pad(mask.crop, ((above, below), (left, right)))
    return replace(mask, origin=(y0 - above, x0 - left), pixels=crop)


def see_within(mask: Mask, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Return the pixels of a box ``(y0, x0, y1, x1)`` of the plane that a mask has."""
    y0, x0, y1, x1 = box
    seen = np.zeros((y1 - y0, x1 - x0), bool)
    shared = _share_box(mask.bbox, box)
    if shared is not None:
        top, left, bottom, right = shared
        seen[top - y0 : bottom - y0, left - x0 : right - x0] = _look_at(mask, *shared)
    return seen


def unite(masks: Sequence[Mask]) -> Mask:
    """Return the pixels that any of some masks of one plane has, without scores."""
    boxes = np.array([mask.bbox for mask in masks])
    y0, x0 = (int(v) for v in boxes[:, :2].min(axis=0))
    y1, x1 = (int(v) for v in boxes[:, 2:].max(axis=0))
    crop = np.zeros((y1 - y0, x1 - x0), bool)
    for mask in masks:
        top, left = mask.origin[0] - y0, mask.origin[1] - x0
        crop[top : top + mask.pixels.shape[0], left : left + mask.pixels.shape[1]] |= mask.crop
    return Mask(masks[0].shape, (y0, x0), crop)


def measure_overlap(a: Mask, b: Mask) -> int:
    """Pixels that two masks of one plane share."""
    shared = _share_box(a.bbox, b.bbox)
    if shared is None:
        return 0
    return int(np.count_nonzero(_look_at(a, *shared) & _look_at(b, *shared)))


def take_out(pixels: NDArray[np.bool_], mask: Mask, other: Mask) -> None:
    """Take another mask's pixels out of an array that lies as a mask's crop, in place."""
    shared = _share_box(mask.bbox, other.bbox)
    if shared is not None:
        (top, left), (y0, x0, y1, x1) = mask.origin, shared
        pixels[y0 - top : y1 - top, x0 - left : x1 - left] &= ~_look_at(other, *shared)


def _share_box(
    a: tuple[int, int, int, int], b: tuple[int, int, int, int]
) -> tuple[int, int, int, int] | None:
    """Where two boxes overlap, (y0, x0, y1, x1) in plane pixels, or None."""
    y0, x0 = max(a[0], b[0]), max(a[1], b[1])
    y1, x1 = min(a[2], b[2]), min(a[3], b[3])
    return (y0, x0, y1, x1) if y0 < y1 and x0 < x1 else None


def _look_at(mask: Mask, y0: int, x0: int, y1: int, x1: int) -> NDArray[np.bool_]:
    """Pixels of a part of the mask's box, given in plane pixels."""
    (top, left), pixels = mask.origin, mask.pixels
    rows = (
        pixels.unpack(y0 - top, y1 - top)
        if isinstance(pixels, PackedPixels)
        else pixels[y0 - top : y1 - top]
    )
    return rows[:, x0 - left : x1 - left]


def measure_iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks of one plane; 0 where both are empty."""
    shared = measure_overlap(a, b)
    union = a.area + b.area - shared
    return shared / union if union else 0.0
