"""An object's sections along z, by size and contrast: where it is two, and where it ends.

Light from out of focus draws an object into planes that it does not reach. Its contrast fades
there, while what is its own keeps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.stacks.tracks.objects import FrameObjects


def measure_rises(
    objects: FrameObjects,
    read: Callable[[int], NDArray[np.integer]],
    read_gray: Callable[[int], NDArray[np.floating]],
) -> NDArray[np.float64]:
    """How much brighter each section is than what lies around it and is no object.

    Parameters
    ----------
    objects : FrameObjects
        Of the planes.
    read, read_gray : callable
        Take the number of a plane, return its labels and its intensity, (H, W).

    Returns
    -------
    (N,) float64
        One for each row of ``objects``.
    """
    from scipy import ndimage
    from skimage.segmentation import expand_labels

    rises = np.zeros(len(objects))
    width = max(2, round(objects.diameter / 4))
    for plane in np.unique(objects.frames).tolist():
        rows = np.flatnonzero(objects.frames == plane)
        labels, gray = read(plane), np.asarray(read_gray(plane), np.float64)
        ids = objects.labels[rows]
        ring = np.where(labels == 0, expand_labels(labels, width), 0)
        inside = ndimage.mean(gray, labels, ids)
        outside = ndimage.mean(gray, ring, ids)
        empty = ~np.isin(ids, ring)  # it touches others all around
        free = gray[labels == 0]
        outside = np.where(empty, np.median(free) if free.size else 0.0, outside)
        rises[rows] = inside - outside
    return rises


def shape_chain(
    chain: Sequence[int],
    sizes: NDArray[np.int64],
    rises: NDArray[np.float64] | None,
    end: float,
    neck: float,
) -> list[list[int]]:
    """Split a chain of sections at its necks, and cut off where it has faded.

    Parameters
    ----------
    chain : sequence of int
        Rows of one object, by plane.
    sizes : (N,) int64
        Pixels by row.
    rises : (N,) float64 or None
        Contrast by row, see `measure_rises`.
    end : float
        See `StitchParameters`.
    neck : float
        See `StitchParameters`.

    Returns
    -------
    list of list of int
        One for each object.
    """
    rows = np.array(chain)
    height = sizes[rows].astype(float)
    contrast = None
    if rises is not None:
        contrast = rises[rows] * np.sign(rises[rows[np.argmax(np.abs(rises[rows]))]])
        height = height * np.clip(contrast, 0, None)
    parts = _split(rows, height, neck) if neck else [np.arange(len(rows))]
    kept = []
    for part in parts:
        inside = part
        if contrast is not None and end:
            enough = np.flatnonzero(contrast[part] >= end * contrast[part].max())
            inside = part[enough[0] : enough[-1] + 1]
        kept.append(rows[inside].tolist())
    return kept


def _split(
    rows: NDArray[np.int64], height: NDArray[np.float64], neck: float
) -> list[NDArray[np.intp]]:
    """Split where the height falls below a part of the peaks on both sides, the deepest first."""
    places = np.arange(len(rows))
    if len(rows) < 5:  # two objects have two planes each and something between
        return [places]
    calm = height.copy()
    calm[1:-1] = np.median([height[:-2], height[1:-1], height[2:]], axis=0)
    best, where = neck, 0
    for place in range(2, len(rows) - 2):
        lower = min(calm[:place].max(), calm[place + 1 :].max())
        ratio = calm[place] / lower if lower > 0 else 1.0
        if ratio < best:
            best, where = ratio, place
    if not where:
        return [places]
    first = _split(rows[:where], height[:where], neck)
    second = _split(rows[where:], height[where:], neck)
    return [*first, *(part + where for part in second)]
