"""Masks -> label image: who owns a pixel, and which number is free.

A label image is ``(H, W)`` uint32, 0 where there is no object. Every pixel has one owner, by a
declared rule; the background is never an owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sam_onnx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask

Overlap = Literal["smaller", "certain", "first"]
LARGEST_LABEL = int(np.iinfo(np.uint32).max)


class LabelError(UserError, ValueError):
    """Labels that cannot be made or written; the message says what to change."""


def check_label(label: int) -> int:
    """Refuse a number that a label image cannot hold.

    Raises
    ------
    LabelError
        If it is not between 1 and 4294967295.
    """
    if not 1 <= label <= LARGEST_LABEL:
        raise LabelError(
            f"The label {label} does not fit: a label image holds 1 to {LARGEST_LABEL}."
        )
    return int(label)


def check_fits(label: int, dtype: np.dtype[Any]) -> int:
    """Refuse a number that a label image of a type cannot hold.

    Raises
    ------
    LabelError
    """
    check_label(label)
    if label > np.iinfo(dtype).max:
        raise LabelError(
            f"The label {label} does not fit a label image of type {dtype}; convert it to uint32."
        )
    return int(label)


def paint_masks(
    masks: Sequence[Mask],
    shape: tuple[int, int],
    overlap: Overlap = "smaller",
    start: int = 1,
    numbers: Sequence[int] | None = None,
) -> NDArray[np.uint32]:
    """Paint masks into a label image.

    Parameters
    ----------
    masks : sequence of Mask
        All of one plane. The i-th is painted with its own label, or ``start + i`` where it has
        none.
    shape : (H, W)
        Pixels of the plane.
    overlap : {"smaller", "certain", "first"}
        Who owns a pixel that several masks claim. ``"smaller"``: the mask of the smallest area,
        so that an object is never hidden by a cluster or a background that encloses it;
        of equal areas the one with the higher predicted IoU. ``"certain"``: the highest
        predicted IoU. ``"first"``: the first in the list.
    start : int
        The first label.
    numbers : sequence of int, optional
        The label of each mask, instead.

    Returns
    -------
    (H, W) uint32
        A mask that others hide wholly, or an empty one, leaves its number unused.

    Raises
    ------
    LabelError
        If a number does not fit, or a mask belongs to a plane of another shape.
    """
    labels = np.zeros(shape, np.uint32)
    if not masks:
        return labels
    if numbers is None:
        numbers = [mask.label or start + index for index, mask in enumerate(masks)]
    check_label(min(numbers))
    check_label(max(numbers))
    for index in _painting_order(masks, overlap):
        mask = masks[index]
        if tuple(mask.shape) != tuple(shape):
            raise LabelError(f"A mask of a {mask.shape} plane does not fit one of {shape}.")
        np.copyto(labels[mask.slices], numbers[index], where=mask.crop)
    return labels


def _painting_order(masks: Sequence[Mask], overlap: Overlap) -> list[int]:
    """Order the masks so that the owner of shared pixels is painted last."""
    backwards = range(len(masks) - 1, -1, -1)  # of equals the earlier one comes on top
    if overlap == "first":
        return list(backwards)
    scores = np.array([mask.predicted_iou for mask in masks], np.float64)
    certain = np.nan_to_num(scores, nan=-np.inf).tolist()
    if overlap == "certain":
        return sorted(backwards, key=lambda i: certain[i])
    if overlap == "smaller":
        areas = [mask.area for mask in masks]
        return sorted(backwards, key=lambda i: (-areas[i], certain[i]))
    raise LabelError(f"Overlap is 'smaller', 'certain' or 'first'; got {overlap!r}.")


def free_label(labels: NDArray[np.integer]) -> int:
    """Return the number after the largest label in use.

    Parameters
    ----------
    labels : integer array of any shape

    Raises
    ------
    LabelError
        If the largest number is taken.
    """
    return check_label(max(0, int(labels.max())) + 1 if labels.size else 1)


def commit_mask(
    labels: NDArray[np.integer], mask: Mask, label: int, overwrite: bool = False
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """List the pixels that change when a mask is committed to a label image.

    Nothing is written: the caller sets these pixels to ``label``, in its own undoable way.

    Parameters
    ----------
    labels : (H, W) integer array
        The plane of the label image, as it is now.
    mask : Mask
        Of a plane of the same shape.
    label : int
        The number to commit; must fit the label image's type.
    overwrite : bool
        Whether the mask may take pixels that other labels own. Otherwise it takes only pixels
        that nobody owns.

    Returns
    -------
    rows, columns : (N,) intp
        Pixels to set. None where the mask is empty, hidden, or committed already.

    Raises
    ------
    LabelError
        If the shapes differ or the number does not fit.
    """
    check_fits(label, labels.dtype)
    if labels.shape != tuple(mask.shape):
        raise LabelError(
            f"The mask belongs to a plane of {mask.shape[0]} × {mask.shape[1]} pixels and the "
            f"label image has {' × '.join(map(str, labels.shape))}; choose labels of the same size."
        )
    there = labels[mask.slices]
    taken = mask.crop & ((there != label) if overwrite else (there == 0))
    rows, columns = np.nonzero(taken)
    return rows + mask.origin[0], columns + mask.origin[1]
