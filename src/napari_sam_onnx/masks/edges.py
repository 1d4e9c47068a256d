"""How clearly a picture's own edges run along an outline, whatever a model says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.masks.mask import see_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask

SMOOTHING = 1.0
"""Sigma in pixels: edges are looked at beyond the noise of single pixels."""

MARGIN = 8
"""Pixels around the outlines that are looked at with them."""

FLOOR = 1.0
"""Added to each slope (of 0 to 255 per pixel, by Sobel's filter): a flat picture has no edges."""


def compare_edges(rgb: NDArray[np.uint8], before: Mask, after: Mask) -> float:
    """Say how many times steeper the picture is along one outline than along another.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    before, after : Mask
        Neither is empty.

    Returns
    -------
    float
        Mean slope along the outline after, over that along the one before; above 1 where the
        picture has its edges rather there.
    """
    boxes = np.array([before.bbox, after.bbox])
    top, left = np.maximum(boxes[:, :2].min(axis=0) - MARGIN, 0)
    bottom, right = np.minimum(boxes[:, 2:].max(axis=0) + MARGIN, before.shape)
    steep = _slope(rgb[top:bottom, left:right])
    mean = [_mean_along(steep, mask, (int(top), int(left))) + FLOOR for mask in (before, after)]
    return mean[1] / mean[0]


def _slope(part: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Length of the gradient of all channels together."""
    from scipy import ndimage

    gray = np.array_equal(part[..., 0], part[..., 1]) and np.array_equal(part[..., 0], part[..., 2])
    total = np.zeros(part.shape[:2], np.float32)
    for channel in range(1 if gray else 3):
        smooth = ndimage.gaussian_filter(part[..., channel].astype(np.float32), SMOOTHING)
        for axis in (0, 1):
            total += ndimage.sobel(smooth, axis) ** 2
    return np.sqrt(total * (3 if gray else 1))


def _mean_along(steep: NDArray[np.float32], mask: Mask, corner: Sequence[int]) -> float:
    """Mean over the pixels on both sides of an outline."""
    from scipy import ndimage

    (y, x), (height, width) = corner, steep.shape
    there = see_within(mask, (y, x, y + height, x + width))
    rim = ndimage.binary_dilation(there) & ~ndimage.binary_erosion(there)
    return float(steep[rim].mean())
