"""What a mask looks like: size, shape, contrast, place. Measured on its crop, in pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.masks.mask import widen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask

# Width of the ring around an object that its brightness is compared to, in pixels.
RING = 3


def measure_sizes(masks: Sequence[Mask]) -> dict[str, NDArray[np.float64]]:
    """Measure what costs nothing: area, diameter, distance to the border, part of the plane.

    Returns
    -------
    dict of (N,) float64
        ``area`` (px²), ``diameter`` (of the disc of that area), ``border_distance`` (pixels
        between the object and the plane's edge), ``fraction`` (of the plane's pixels).
    """
    areas = np.array([mask.area for mask in masks], np.float64)
    boxes = np.array([mask.bbox for mask in masks], np.float64).reshape(-1, 4)
    planes = np.array([mask.shape for mask in masks], np.float64).reshape(-1, 2)
    beyond = np.concatenate([boxes[:, :2], planes - boxes[:, 2:]], axis=1)
    return {
        "area": areas,
        "diameter": np.sqrt(4 / np.pi * areas),
        "border_distance": beyond.min(axis=1, initial=np.inf),
        "fraction": areas / np.maximum(1, planes.prod(axis=1)),
    }


def measure_shapes(masks: Sequence[Mask]) -> dict[str, NDArray[np.float64]]:
    """Measure outlines.

    Returns
    -------
    dict of (N,) float64
        ``perimeter`` (px, along the middle of the border pixels, as
        `skimage.measure.perimeter`), ``circularity`` (4π area / perimeter², at most 1; of one
        pixel 1), ``solidity`` (area over that of the convex hull of the pixels' corners),
        ``elongation`` (1 − minor over major axis of the ellipse of the same moments). NaN where
        a mask is empty.
    """
    rows = [_measure_shape(mask.crop) for mask in masks]
    columns = np.array(rows, np.float64).reshape(-1, 4).T
    names = ("perimeter", "circularity", "solidity", "elongation")
    return dict(zip(names, columns, strict=True))


def measure_contrasts(
    masks: Sequence[Mask], rgb: NDArray[np.uint8]
) -> dict[str, NDArray[np.float64]]:
    """Compare the brightness inside to that of a ring around.

    Parameters
    ----------
    masks : sequence of N Mask
    rgb : (H, W, 3) uint8
        Brightness is the mean of the three samples.

    Returns
    -------
    dict of (N,) float64
        ``brightness`` (0 to 1, inside), ``contrast`` (inside minus around, -1 to 1; 0 where
        nothing is around), ``roughness`` (standard deviation inside).
    """
    rows = np.array([_measure_contrast(mask, rgb) for mask in masks], np.float64).reshape(-1, 3)
    return dict(zip(("brightness", "contrast", "roughness"), rows.T, strict=True))


def _measure_shape(crop: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    from skimage.measure import perimeter

    area = int(np.count_nonzero(crop))
    if area == 0:
        return float("nan"), float("nan"), float("nan"), float("nan")
    length = float(perimeter(np.pad(crop, 1), neighborhood=4))
    circularity = min(1.0, 4 * np.pi * area / length**2) if length else 1.0
    return length, circularity, area / _hull_area(crop), _measure_elongation(crop)


def _hull_area(crop: NDArray[np.bool_]) -> float:
    """Area of the convex hull of the pixels, their corners included.

    Only the first and the last pixel of each row can be on it.
    """
    from scipy.spatial import ConvexHull

    rows = np.flatnonzero(crop.any(axis=1))
    first = crop[rows].argmax(axis=1)
    last = crop.shape[1] - crop[rows, ::-1].argmax(axis=1)
    y = np.concatenate([rows, rows + 1, rows, rows + 1])
    x = np.concatenate([first, first, last, last])
    return float(ConvexHull(np.stack([y, x], axis=1)).volume)  # of a plane figure: its area


def _measure_elongation(crop: NDArray[np.bool_]) -> float:
    y, x = np.nonzero(crop)
    # A pixel is a square: its own variance keeps a single one from being a line.
    spread = np.cov(np.stack([y, x]), bias=True) + np.eye(2) / 12
    minor, major = np.sqrt(np.linalg.eigvalsh(spread))
    return float(1 - minor / major)


def _measure_contrast(mask: Mask, rgb: NDArray[np.uint8]) -> tuple[float, float, float]:
    from scipy.ndimage import binary_dilation

    if not mask:
        return float("nan"), float("nan"), float("nan")
    framed = widen(mask, RING)
    inside, part = framed.crop, rgb[framed.slices].mean(axis=2) / 255
    around = binary_dilation(inside, np.ones((3, 3), bool), iterations=RING) & ~inside
    brightness = float(part[inside].mean())
    beside = float(part[around].mean()) if around.any() else brightness
    return brightness, brightness - beside, float(part[inside].std())
