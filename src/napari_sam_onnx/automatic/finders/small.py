"""Blobs that a model of one size sees too small: looked at enlarged, where they are and it pays.

Each enlarged part costs an encoding. Whether the masks of blobs seen enlarged follow the picture's
edges better than those of the same blobs on the plane as it is says whether more parts pay.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.finders.crops import lay_tiles
from napari_sam_onnx.automatic.finders.tiles import measure_depth
from napari_sam_onnx.masks.edges import compare_edges
from napari_sam_onnx.prompting.scales import SMALLEST_PART, AtScale, FreeModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.masks.regions import Region
    from napari_sam_onnx.models import Model

SMALL = 16.0
"""Diameter in pixels of the encoder's input below which a blob is seen too small."""

SEEN = 20.0
"""Diameter in pixels of the encoder's input at which the median of these is seen instead."""

AROUND = 4.0
"""Diameters that neighbouring parts share at least: what is around a blob is seen too."""

TRIED_PARTS = 8
"""Parts that are looked at in any case; more of them where these bring something."""

TRIED = 8
"""Blobs of a part that are looked at both ways, to see what it brings."""

SAME = 0.5
"""Pixels between two points of one blob at most, which rounding has moved."""

CLEARER = 1.1
"""So many times steeper the picture is along an outline that follows its edges better."""

SURE = 0.88
"""Rating of a mask that is an object's, enlarged; what SAM's own generator asks for."""

WORTH = 1 / 3
"""Part of the blobs that must be sure and clearer, else more parts bring nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of a plane, and which blobs are looked at in it.

    Parameters
    ----------
    region : Region
    blobs : (N,) intp
    """

    region: Region
    blobs: NDArray[np.intp]


def has_one_size(model: Model) -> bool:
    """Whether a model sees every plane at one size, so that only a part is seen larger."""
    free = isinstance(model, FreeModel) and model.largest_input
    return not free and not isinstance(model, AtScale)


def plan_parts(
    blobs: NDArray[np.float64], reach: float, plane_shape: tuple[int, int], seen: float
) -> list[Part]:
    """Say which blobs are looked at enlarged, and in which parts of the plane.

    Parameters
    ----------
    blobs : (N, 3) float64
        See `find_blobs`.
    reach : float
        Half the side of the box around a blob, in radii.
    plane_shape : (H, W)
    seen : float
        Pixels of the encoder's input along the plane's longer side.

    Returns
    -------
    list of Part
        Each blob in one part at most, the part with most of them first; none where the plane is
        seen as large as such parts would be.
    """
    longest = max(plane_shape)
    small = np.flatnonzero(2 * blobs[:, 2] * seen / longest < SMALL)
    if not len(small):
        return []
    diameters = 2 * blobs[small, 2]
    side = max(SMALLEST_PART, ceil(seen * float(np.median(diameters)) / SEEN))
    if side >= longest:
        return []
    overlap = min(side // 2, ceil(AROUND * float(diameters.max())))
    tiles = lay_tiles(plane_shape, side, overlap)
    half = blobs[small, 2:] * reach
    boxes = np.concatenate([blobs[small, :2] - half, blobs[small, :2] + half], axis=1)
    depths = np.stack([measure_depth(tile, boxes, plane_shape) for tile in tiles])
    where = depths.argmax(axis=0)
    parts = [Part(tiles[i], small[where == i]) for i in np.unique(where)]
    return sorted(parts, key=lambda part: -len(part.blobs))


def is_compared(number: int, count: int) -> bool:
    """Say whether the part of a number, of so many, is to show what parts bring."""
    return count > TRIED_PARTS and number + 1 < count


def brings_more(parts: int, tried: int, clearer: int) -> bool:
    """Say whether another part is worth its encoding.

    Parameters
    ----------
    parts : int
        Looked at so far.
    tried, clearer : int
        Blobs that were looked at both ways in them, and those that got clearer.
    """
    return parts < TRIED_PARTS or clearer >= WORTH * tried


def count_clearer(
    rgb: NDArray[np.uint8],
    centers: NDArray[np.float64],
    before: Sequence[Mask],
    after: Sequence[Mask],
) -> int:
    """Count the blobs whose masks are sure, and follow the picture's edges better than before.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    centers : (N, 2) float64
        Of the blobs that are looked at.
    before, after : sequence of Mask
        Of the plane, each with the point that it was asked at. A blob may have none; one that has
        none before and one after is clearer.
    """
    known, new = _find_masks_of(centers, before), _find_masks_of(centers, after)
    return sum(
        blob not in known or compare_edges(rgb, known[blob], mask) > CLEARER
        for blob, mask in new.items()
        if mask.rating >= SURE
    )


def _find_masks_of(centers: NDArray[np.float64], masks: Sequence[Mask]) -> dict[int, Mask]:
    """Find the mask of each blob that has one, by the point that it was asked at."""
    from scipy.spatial import cKDTree

    if not masks:
        return {}
    gaps, blobs = cKDTree(centers).query(np.array([mask.point for mask in masks]))
    return {int(b): m for b, m, gap in zip(blobs, masks, gaps, strict=True) if gap <= SAME and m}
