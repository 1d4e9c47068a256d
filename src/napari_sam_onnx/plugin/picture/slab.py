"""Thick slices: which planes a viewer shows as one, and how they become one.

Pure: numbers and arrays, no napari. The rules are napari's own, so that a model sees what the user
sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

Slab = tuple[tuple[int, int], ...]
"""For each axis of a layer the first position that is shown, and the one after the last."""


def find_slab(
    shape: Sequence[int],
    displayed: Sequence[int],
    point: ArrayLike,
    left: ArrayLike,
    right: ArrayLike,
) -> Slab:
    """Find the positions that a thick slice spans.

    Parameters
    ----------
    shape : sequence of int
        Pixels of the layer along each axis.
    displayed : sequence of int
        The axes that are not sliced.
    point, left, right : (D,) array-like
        The sliders' position and how far the slice reaches to both sides, in data coordinates.

    Returns
    -------
    Slab
        () where it is a single plane.
    """
    spans = []
    for axis, (size, at, before, after) in enumerate(
        zip(shape, *(np.asarray(v, float).tolist() for v in (point, left, right)), strict=True)
    ):
        if axis in displayed:
            spans.append((0, size))
            continue
        low, high = (max(int(np.round(end)), 0) for end in (at - before, at + after))
        if np.isclose(high, at + after) or low == high:
            high += 1
        spans.append((min(low, size - 1), min(high, size)))
    thick = any(b - a > 1 for axis, (a, b) in enumerate(spans) if axis not in displayed)
    return tuple(spans) if thick else ()
