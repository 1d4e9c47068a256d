"""Masks of blobs that reach over to their neighbours: the neighbours are cut out of them.

A blob's place and radius say where it ends. A mask may take in what lies beyond, above all where
small blobs are near large ones; of two masks that share most of the smaller one only the better
rated would stay, and one of two objects would be lost.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.kept.box_index import BoxIndex
from napari_sam_onnx.masks.mask import take_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask

SMALLER = 0.5
"""Part of a mask's area up to which another is a neighbour that it reached over to: two masks of
one long object are as large as each other."""

REACH = 1.0
"""Radii of a small blob that must lie beyond the large one's: they may touch."""


def cut_neighbours(
    masks: Sequence[Mask], blobs: NDArray[np.float64], least: float
) -> tuple[Mask, ...]:
    """Cut out of each mask the smaller ones whose blobs lie beyond its own blob.

    Parameters
    ----------
    masks : sequence of Mask
        Of one plane, each with the point that it was asked at.
    blobs : (N, 3) float64
        See `find_blobs`; the points are their centres.
    least : float
        What a mask must be rated to be cut out of another.

    Returns
    -------
    tuple of Mask
        In the same order.
    """
    from scipy.spatial import cKDTree

    if not len(masks):
        return ()
    points = np.array([mask.point for mask in masks])
    radii = blobs[cKDTree(blobs[:, :2]).query(points)[1], 2]
    areas = np.array([mask.area for mask in masks])
    index = BoxIndex()
    for number, mask in enumerate(masks):
        index.add(number, mask.bbox)
    made = list(masks)
    for large in np.argsort(-areas):
        mask = masks[large]
        for small in index.find_touching(mask.bbox):
            if areas[small] >= SMALLER * areas[large] or masks[small].rating < least:
                continue
            if np.hypot(*(points[small] - points[large])) <= radii[large] + REACH * radii[small]:
                continue
            made[large] = _cut(made[large], masks[small])
    return tuple(made)


def _cut(mask: Mask, other: Mask) -> Mask:
    """Leave out of a mask what another one has, unless that is all of it."""
    pixels = mask.crop.copy()
    take_out(pixels, mask, other)
    return replace(mask, pixels=pixels) if pixels.any() else mask
