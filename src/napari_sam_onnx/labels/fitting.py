"""What a mask becomes when it is accepted, beside the labels that exist. Pure: nothing is written.

Labels that exist keep their pixels unless the rules say otherwise. What is left of a mask then is
written only where it is one sensible object: crumbs between two labels are none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.labels.rules import Rules, tidy
from napari_sam_onnx.masks.mask import Mask, crop_to_object, take_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST_PART = 0.5
"""What labels leave of a mask is an object if its largest piece has this share of the mask."""

LEAST_PIECE = 0.1
"""Pieces cut off by labels are left out unless they have more than this share of the mask."""

PLAIN = Rules()


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What is written when a mask is accepted.

    Parameters
    ----------
    mask : Mask
        The pixels that are written; those of the model's mask where there is a problem.
    problem : str
        Why nothing is written, in one sentence; "" where there is no problem.
    under : int
        The label that has most of the mask's pixels, where that is the problem; else 0.
    takes : bool
        Whether pixels of labels that exist are among those that are written.
    overlaps : int
        A label that the mask overlaps, whoever gets the pixels; 0 where none.
    """

    mask: Mask
    problem: str = ""
    under: int = 0
    takes: bool = False
    overlaps: int = 0


def fit_masks(
    labels: NDArray[np.integer] | None,
    masks: Sequence[Mask],
    rules: Rules = PLAIN,
    mine: Sequence[int] = (),
) -> tuple[Fitted, ...]:
    """Say what is written when masks are accepted, one after the other.

    Parameters
    ----------
    labels : (H, W) array of int or None
        The plane of the label image; None where there is none yet.
    masks : sequence of Mask
    rules : Rules
        Whose pixels they may take, and how they are tidied up first.
    mine : sequence of int
        For each mask the label that it replaces, whose pixels count as free; 0 for none.

    Returns
    -------
    tuple of Fitted
    """
    fitted: list[Fitted] = []
    for number, mask in enumerate(masks):
        own = mine[number] if number < len(mine) else 0
        earlier = [done.mask for done in fitted if not done.problem]
        fitted.append(_fit(labels, tidy(mask, rules), earlier, rules, own))
    return tuple(fitted)


def _fit(
    labels: NDArray[np.integer] | None,
    mask: Mask,
    earlier: Sequence[Mask],
    rules: Rules,
    own: int,
) -> Fitted:
    if not mask:
        return Fitted(mask, "The mask is empty; move or add a point.")
    free = mask.crop.copy()
    for other in earlier:  # of one acceptance: the one that was begun first keeps its pixels
        take_out(free, mask, other)
    there, others, takes = None, np.zeros(mask.pixels.shape, bool), False
    if labels is not None:
        there = np.asarray(labels[mask.slices])
        others = mask.crop & (there != 0) & (there != own)
    overlaps = _most(there, others) if there is not None else 0
    if overlaps and labels is not None and rules.overlap == "split":
        free &= ~(others & ~_nearer(labels, mask, others))
    elif rules.overlap != "overwrite":
        free &= ~others
    takes = bool((free & others).any())
    area = mask.area
    left = int(np.count_nonzero(free))
    if left == area:
        return Fitted(mask, takes=takes, overlaps=overlaps)
    from scipy import ndimage  # here, so that listing models starts at once

    pieces, count = ndimage.label(free, np.ones((3, 3)))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    largest = int(sizes.max(initial=0))
    if largest < LEAST_PART * area:
        return _refuse(mask, there, left, own)
    kept = np.concatenate([[False], (sizes > LEAST_PIECE * area) | (sizes == largest)])
    return Fitted(
        crop_to_object(replace(mask, pixels=kept[pieces])), takes=takes, overlaps=overlaps
    )


def _most(there: NDArray[np.integer], where: NDArray[np.bool_]) -> int:
    """Return the label that has most of some pixels; 0 for no pixels."""
    found, counts = np.unique(there[where], return_counts=True)
    return int(found[np.argmax(counts)]) if found.size else 0


def _nearer(
    labels: NDArray[np.integer], mask: Mask, others: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which pixels of a mask that labels have lie nearer to the rest of the mask than to theirs."""
    y0, x0, y1, x1 = mask.bbox
    rim_y, rim_x = y1 - y0, x1 - x0  # a label's own pixels may all lie beside the mask
    top, left = max(0, y0 - rim_y), max(0, x0 - rim_x)
    bottom, right = min(mask.shape[0], y1 + rim_y), min(mask.shape[1], x1 + rim_x)
    around = np.asarray(labels[top:bottom, left:right])
    inside = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    alone = np.zeros(around.shape, bool)
    alone[inside] = mask.crop & ~others
    if not alone.any():
        return np.zeros(mask.pixels.shape, bool)
    shared = np.zeros(around.shape, bool)
    shared[inside] = others
    from scipy import ndimage  # here, so that listing models starts at once

    to_mask = ndimage.distance_transform_edt(~alone)[inside]
    nearer = np.zeros(mask.pixels.shape, bool)
    for label in np.unique(around[shared]):
        own = (around == label) & ~shared
        if own.any():
            here = others & (around[inside] == label)
            nearer |= here & (to_mask < ndimage.distance_transform_edt(~own)[inside])
    return nearer


def _refuse(mask: Mask, there: NDArray[np.integer] | None, left: int, own: int) -> Fitted:
    """Say which label is in the way."""
    if there is None:
        return Fitted(mask, "Another one of the open objects covers this one; move a point or box.")
    found, counts = np.unique(there[mask.crop], return_counts=True)
    others = (found != 0) & (found != own)
    if not others.any():
        return Fitted(mask, "Another one of the open objects covers this one; move a point or box.")
    under = int(found[others][np.argmax(counts[others])])
    free = f"only {left:,} of its {mask.area:,} pixels are free" if left else "none of it is free"
    return Fitted(
        mask,
        f"This is labelled already as object {under} ({free}): Shift+N replaces object {under}, "
        "“Overwrite” takes its pixels.",
        under,
        overlaps=under,
    )
