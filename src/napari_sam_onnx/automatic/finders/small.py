"""Blobs that a model of one size sees too small: looked at enlarged, where they are."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.finders.crops import lay_tiles
from napari_sam_onnx.automatic.finders.tiles import measure_depth
from napari_sam_onnx.prompting.scales import SMALLEST_PART, AtScale, FreeModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.masks.regions import Region
    from napari_sam_onnx.models import Model

SMALL = 16.0
"""Diameter in pixels of the encoder's input below which a blob is seen too small."""

SEEN = 32.0
"""Diameter in pixels of the encoder's input at which the median of these is seen instead."""

AROUND = 4.0
"""Diameters that neighbouring parts share at least: what is around a blob is seen too."""


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
        Each blob in one part at most; none where the plane is seen as large as such parts would.
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
    return [Part(tiles[i], small[where == i]) for i in np.unique(where)]
