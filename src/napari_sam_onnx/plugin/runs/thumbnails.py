"""Small pictures of masks: the same part of the plane for each, with the outline drawn in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.pictures.overlay import find_outlines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask

OUTLINE = (255, 213, 0)  # the preview's colour
ON_LIGHT = (200, 0, 130)  # where that could not be seen
LIGHT = 140  # mean from which on a picture is light
_MARGIN = 0.25  # of the objects' extent, on each side
_LEAST = 24  # pixels of the plane along each side


def find_region(masks: Sequence[Mask], plane_shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Find a square part of a plane that shows all masks with some surroundings.

    Returns
    -------
    tuple of int
        ``(y0, x0, y1, x1)``, rows and columns, ends excluded; inside the plane, hence no
        square where the plane is narrower.
    """
    boxes = [mask.bbox for mask in masks if mask]
    height, width = plane_shape
    if not boxes:
        return 0, 0, height, width
    y0, x0 = (min(box[i] for box in boxes) for i in (0, 1))
    y1, x1 = (max(box[i] for box in boxes) for i in (2, 3))
    side = max(_LEAST, round(max(y1 - y0, x1 - x0) * (1 + 2 * _MARGIN)))
    rows, columns = min(side, height), min(side, width)
    top = min(max((y0 + y1 - rows) // 2, 0), height - rows)
    left = min(max((x0 + x1 - columns) // 2, 0), width - columns)
    return top, left, top + rows, left + columns


def draw_thumbnail(
    rgb: NDArray[np.uint8], mask: Mask | None, region: tuple[int, int, int, int], side: int
) -> NDArray[np.uint8]:
    """Show a part of a plane with the outline of a mask.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The plane as models see it.
    mask : Mask or None
    region : (y0, x0, y1, x1)
        See `find_region`.
    side : int
        Pixels of the longer side of the result.

    Returns
    -------
    (h, w, 3) uint8
        The nearest pixels; contiguous.
    """
    rows, columns = _place(region, side)
    shown = np.ascontiguousarray(rgb[rows[:, None], columns])
    if mask is not None and mask:
        inside = np.zeros((len(rows), len(columns)), bool)
        top, left = mask.origin
        height, width = mask.pixels.shape
        r = (rows >= top) & (rows < top + height)
        c = (columns >= left) & (columns < left + width)
        inside[np.ix_(r, c)] = mask.crop[np.ix_(rows[r] - top, columns[c] - left)]
        shown[find_outlines(inside.astype(np.uint8))] = OUTLINE
    return shown


def draw_labels(
    rgb: NDArray[np.uint8], labels: NDArray[np.integer], side: int
) -> NDArray[np.uint8]:
    """Show a picture with the outlines of its labels, ``(h, w, 3)``; see `draw_thumbnail`.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    labels : (H, W) integer
    side : int
    """
    rows, columns = _place((0, 0, *labels.shape), side)
    shown = np.ascontiguousarray(rgb[rows[:, None], columns])
    color = ON_LIGHT if shown.mean() > LIGHT else OUTLINE
    shown[find_outlines(labels[rows[:, None], columns])] = color
    return shown


def _place(region: tuple[int, ...], side: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Say which rows and columns of a plane the pixels of a small picture show."""
    y0, x0, y1, x1 = region
    scale = side / max(y1 - y0, x1 - x0, 1)
    h, w = max(1, round((y1 - y0) * scale)), max(1, round((x1 - x0) * scale))
    rows = y0 + ((np.arange(h) + 0.5) / scale).astype(int).clip(0, y1 - y0 - 1)
    columns = x0 + ((np.arange(w) + 0.5) / scale).astype(int).clip(0, x1 - x0 - 1)
    return rows, columns
