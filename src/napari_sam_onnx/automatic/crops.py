"""Parts of a plane that overlap: SAM's crops, and tiles; and masks that move between frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam_onnx.masks import Mask


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a plane.

    Parameters
    ----------
    box : (y0, x0, y1, x1)
        Half-open, in plane pixels.
    layer : int
        0 for the whole plane; layer i divides it into 2^i by 2^i.
    """

    box: tuple[int, int, int, int]
    layer: int = 0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Where the part lies in the plane."""
        y0, x0, y1, x1 = self.box
        return slice(y0, y1), slice(x0, x1)

    @property
    def shape(self) -> tuple[int, int]:
        """``(h, w)`` in pixels."""
        y0, x0, y1, x1 = self.box
        return y1 - y0, x1 - x0

    @property
    def area(self) -> int:
        """Pixels."""
        return self.shape[0] * self.shape[1]


def lay_crops(shape: tuple[int, int], layers: int, overlap_ratio: float) -> list[Crop]:
    """Cover a plane with ever smaller crops, as SAM's generator does.

    Parameters
    ----------
    shape : (H, W)
    layers : int
        Beyond the whole plane.
    overlap_ratio : float
        Overlap of neighbouring crops in the first layer, over the shorter side of the plane.

    Returns
    -------
    list of Crop
        The whole plane first; within a layer column after column.
    """
    height, width = shape
    crops = [Crop((0, 0, height, width))]
    for layer in range(1, layers + 1):
        count = 2**layer
        overlap = int(overlap_ratio * min(shape) * (2 / count))
        high, wide = (ceil((overlap * (count - 1) + side) / count) for side in shape)
        for across in range(count):
            for down in range(count):
                y0, x0 = int((high - overlap) * down), int((wide - overlap) * across)
                box = y0, x0, min(y0 + high, height), min(x0 + wide, width)
                crops.append(Crop(box, layer))
    return crops


def lay_tiles(shape: tuple[int, int], side: int, overlap: int) -> list[Crop]:
    """Cover a plane with tiles of one size that overlap evenly, row after row.

    Parameters
    ----------
    shape : (H, W)
    side : int
        Of a tile; a plane that is shorter gives tiles of its own length.
    overlap : int
        At least this many pixels of neighbouring tiles are shared.
    """
    height, width = shape
    return [
        Crop((y, x, min(y + side, height), min(x + side, width)), 1)
        for y in _spread(height, side, overlap)
        for x in _spread(width, side, overlap)
    ]


def _spread(length: int, side: int, overlap: int) -> list[int]:
    """Where the tiles start along one axis."""
    if length <= side:
        return [0]
    gaps = ceil((length - side) / (side - overlap))
    return [(length - side) * i // gaps for i in range(gaps + 1)]


def move_mask(mask: Mask, crop: Crop, plane_shape: tuple[int, int]) -> Mask:
    """Move a mask that was found in a crop to its place in the plane."""
    y0, x0 = crop.box[:2]
    point = None if mask.point is None else (mask.point[0] + y0, mask.point[1] + x0)
    origin = (mask.origin[0] + y0, mask.origin[1] + x0) if mask else (0, 0)
    return replace(mask, shape=plane_shape, origin=origin, point=point, crop_box=crop.box)
