"""Labels drawn over the picture that they were found in: to look at, not to measure."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_GOLDEN = (5**0.5 - 1) / 2  # steps of this fraction of the hue circle never meet


def label_colors(ids: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Colours that tell neighbouring ids apart, ``(N, 3)`` for N ids; 0, the background, is black.

    An id has the same colour wherever it occurs.
    """
    table = np.zeros((len(ids), 3), np.uint8)
    for row, label in enumerate(ids.tolist()):
        if label:
            hue, tone = (label * _GOLDEN) % 1, (label % 3) / 3
            table[row] = np.array(colorsys.hsv_to_rgb(hue, 1 - 0.35 * tone, 1)) * 255
    return table


def find_outlines(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Mark the pixels of objects whose right, left, upper or lower neighbour is another.

    Parameters
    ----------
    labels : (H, W) integer

    Returns
    -------
    (H, W) bool
        Inside the objects; the picture's border is no outline.
    """
    edge = np.zeros(labels.shape, bool)
    rows, columns = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= rows
    edge[:-1] |= rows
    edge[:, 1:] |= columns
    edge[:, :-1] |= columns
    edge &= labels != 0
    return edge


def draw_overlay(
    rgb: NDArray[np.uint8], labels: NDArray[np.integer], *, opacity: float = 0.25
) -> NDArray[np.uint8]:
    """Fill each object lightly with a colour of its own and outline it.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The picture as the model saw it.
    labels : (H, W) integer
        0 is background.
    opacity : float
        Of the filling, 0 to 1; outlines are opaque.

    Returns
    -------
    (H, W, 3) uint8
    """
    ids, index = np.unique(labels, return_inverse=True)
    # The colour follows the id, so that an object of a stack keeps it from plane to plane.
    colors = label_colors(ids)[index.reshape(labels.shape)]
    shown = rgb.copy()
    inside = labels != 0
    shown[inside] = ((1 - opacity) * rgb[inside] + opacity * colors[inside] + 0.5).astype(np.uint8)
    edge = find_outlines(labels)
    shown[edge] = colors[edge]
    return shown


def arrange_montage(planes: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Lay planes of one size out in rows, as square as their number allows.

    Parameters
    ----------
    planes : sequence of (H, W, 3) uint8
        At least one.
    """
    gap = 4  # white pixels between them
    columns = int(np.ceil(np.sqrt(len(planes))))
    rows = -(-len(planes) // columns)
    height, width = planes[0].shape[:2]
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for number, plane in enumerate(planes):
        y, x = (number // columns) * (height + gap), (number % columns) * (width + gap)
        sheet[y : y + height, x : x + width] = plane
    return sheet
