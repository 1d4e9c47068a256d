"""Where on a plane objects are looked for: in a region, and in what other labels leave free."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.arguments import as_numbers
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.labels.label_image import free_label
from napari_sam_onnx.masks.mask import crop_to_object

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.automatic.kept.mask_set import MaskSet

OUTSIDE = 0.5
"""Part of an object beyond the place that is looked at from which on it does not belong there."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """The pixels of a plane that new objects may have.

    Parameters
    ----------
    allowed : (H, W) bool
        The region that is looked at.
    labels : (H, W) integer
        What is there already, and stays.
    """

    allowed: NDArray[np.bool_]
    labels: NDArray[np.integer[Any]]

    @property
    def free(self) -> NDArray[np.bool_]:
        """Allowed, and nobody's."""
        free: NDArray[np.bool_] = self.allowed & (self.labels == 0)
        return free

    def wants(self, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say in which boxes ``(y0, x0, y1, x1)`` a new object may lie.

        Some pixel of the middle half of the box is free: its corners mostly are.
        """
        quarter = (boxes[:, 2:] - boxes[:, :2]) / 4
        boxes = np.concatenate([boxes[:, :2] + quarter, boxes[:, 2:] - quarter], axis=1)
        height, width = self.labels.shape
        counts = np.zeros((height + 1, width + 1), np.int64)
        counts[1:, 1:] = self.free.cumsum(axis=0).cumsum(axis=1)
        low = np.clip(np.floor(boxes[:, :2]), 0, (height - 1, width - 1)).astype(int)
        high = np.clip(np.floor(boxes[:, 2:]) + 1, low + 1, (height, width)).astype(int)
        (y0, x0), (y1, x1) = low.T, high.T
        inside = counts[y1, x1] - counts[y0, x1] - counts[y1, x0] + counts[y0, x0]
        wanted: NDArray[np.bool_] = inside > 0
        return wanted

    def cut(self, found: MaskSet) -> MaskSet:
        """Keep the masks that lie here for the most part, cut to their free pixels."""
        free = self.free
        kept = []
        for mask in found.masks:
            inside = mask.crop & free[mask.slices]
            if inside.any() and inside.sum() >= (1 - OUTSIDE) * mask.area:
                kept.append(crop_to_object(replace(mask, pixels=inside)))
        return replace(found, masks=tuple(kept), _known={})

    def add(self, painted: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Add new labels to those that are there: these stay, the new numbers follow them."""
        start = free_label(self.labels)
        together = self.labels.astype(np.uint32)
        new = painted > 0
        together[new] = painted[new] + np.uint32(start - 1)
        return together


def make_place(
    plane_shape: tuple[int, int],
    inside: ArrayLike | None = None,
    existing: ArrayLike | None = None,
) -> Place | None:
    """Read where objects are looked for; None: everywhere.

    Parameters
    ----------
    plane_shape : (H, W)
    inside : (H, W) array-like, optional
        Nonzero where objects are looked for.
    existing : (H, W) integer array-like, optional
        Labels that stay.

    Raises
    ------
    ParameterError
        If a shape is not the plane's, or the labels are no whole numbers.
    """
    if inside is None and existing is None:
        return None
    allowed = np.ones(plane_shape, bool)
    if inside is not None:
        allowed = as_numbers(inside, "A region is an array of numbers", ParameterError) != 0
    labels = np.zeros(plane_shape, np.uint32)
    if existing is not None:
        labels = as_numbers(existing, "A label image is an array of numbers", ParameterError)
    for name, array in (("The region", allowed), ("The existing label image", labels)):
        if array.shape != plane_shape:
            raise ParameterError(
                f"{name} has the shape {array.shape} and the plane {plane_shape}; they must be "
                "of one size."
            )
    if labels.dtype.kind not in "ui" or (labels.size and labels.min() < 0):
        raise ParameterError("Existing labels are whole numbers, 0 where there is no object.")
    return Place(allowed, labels)
