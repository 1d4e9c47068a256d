"""Regions of a plane that overlap: SAM's crops, and tiles."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from napari_sam_onnx.masks.regions import Region

STRETCH, SHRINK = 1.1, 0.75
"""So many times as long as asked for tiles may be, where a plane is covered better by them."""


@dataclass(frozen=True, slots=True)
class Crop(Region):
    """A region of SAM's grids.

    Parameters
    ----------
    box, scale
        See `Region`.
    layer : int
        0 for the whole plane; layer i divides it into 2^i by 2^i.
    """

    layer: int = 0


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
                crops.append(Crop(box, layer=layer))
    return crops


def lay_tiles(shape: tuple[int, int], side: int, overlap: int) -> list[Region]:
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
        Region((y, x, min(y + side, height), min(x + side, width)))
        for y in _spread(height, side, overlap)
        for x in _spread(width, side, overlap)
    ]


def fit_side(shape: tuple[int, int], side: int, overlap: int, least: int, most: int) -> int:
    """Find the side of tiles, about that given, with which the fewest pixels are seen twice.

    Parameters
    ----------
    shape : (H, W)
    side, overlap : int
        See `lay_tiles`.
    least, most : int
        No side is shorter or longer; nor shorter than `SHRINK` or longer than `STRETCH` times that
        given.
    """
    shortest = min(side, max(least, 2 * overlap, ceil(SHRINK * side)))
    sides = range(shortest, max(side, min(most, int(STRETCH * side))) + 1)
    seen = [prod(len(_spread(n, s, overlap)) * min(n, s) for n in shape) for s in sides]
    return sides[seen.index(min(seen))]


def _spread(length: int, side: int, overlap: int) -> list[int]:
    """Where the tiles start along one axis."""
    if length <= side:
        return [0]
    gaps = ceil((length - side) / (side - overlap))
    return [(length - side) * i // gaps for i in range(gaps + 1)]
