"""Everything that a word names, or that looks like examples, on one plane; whole or tile by tile.

    plane ─ tiles ─▶ picture ──────────────┐
    examples inside the tile ──────────────┼─ text model ─▶ masks ─ merged ─▶ masks
    examples elsewhere ─ pasted beside it ─┘

A text model compares what is in one picture. Examples of another plane, or of another part of a
large one, are therefore pasted beside what is looked at, with some of what surrounds them; what is
found in that strip is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.finders.crops import lay_tiles
from napari_sam_onnx.automatic.finders.progress import Progress
from napari_sam_onnx.automatic.finders.tiles import ends_at_seam, merge_masks
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.masks.mask import Mask, crop_to_object
from napari_sam_onnx.masks.regions import cut_region, move_mask, whole_region

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.masks.regions import Region
    from napari_sam_onnx.models import TextModel

    Looking = Generator[Progress, None, list[Mask]]

MARGIN = 0.5
"""How much of its surroundings an example is pasted with on each side, in its own sides."""

LEAST_MARGIN = 8
"""The same in pixels, at least."""

OVERLAP = 128
"""Pixels that neighbouring tiles share; small tiles a quarter of their side."""

MAX_OVERLAP = 0.5
"""Of two masks of neighbouring tiles that share more of the smaller one the better one stays."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Objects that show what is wanted, and what is not.

    Parameters
    ----------
    plane : (H, W, 3) uint8
        What they are on, as a model sees it.
    boxes : (K, 4) float64
        ``(y0, x0, y1, x1)`` around each.
    wanted : (K,) bool
        Whether it shows what is wanted, or what is not.

    Raises
    ------
    ParameterError
        If there is none, all show what is not wanted, or a box holds no pixel of the plane.
    """

    plane: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    wanted: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if not len(self.boxes) or not self.wanted.any():
            raise ParameterError("Give at least one example of what is wanted.")
        if len(self.wanted) != len(self.boxes):
            raise ParameterError("Say of each example whether it shows what is wanted.")
        for y0, x0, y1, x1 in self.boxes:
            height, width = self.plane.shape[:2]
            if not (y0 < y1 and x0 < x1 and y1 > 0 and x1 > 0 and y0 < height and x0 < width):
                raise ParameterError("An example's box holds no pixel of its plane.")


def iterate_look_up(
    rgb: NDArray[np.uint8],
    model: TextModel,
    text: str | None,
    examples: Examples | None = None,
    *,
    tile_side: int = 0,
    cache: EmbeddingStore | None = None,
) -> Looking:
    """Find every object of a plane that a text names, or that looks like examples.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The plane; the one that examples lie on where it is the same array.
    model : TextModel
    text : str or None
        None where examples say it all.
    examples : Examples, optional
    tile_side : int
        Larger planes are looked at in tiles of this side, so that small objects are seen; 0: whole.
    cache : EmbeddingStore, optional

    Yields
    ------
    Progress

    Returns
    -------
    list of Mask
        The generator's value; the most certain first.
    """
    kept: EmbeddingStore = EmbeddingCache() if cache is None else cache
    shape = rgb.shape[0], rgb.shape[1]
    if not tile_side or max(shape) <= tile_side:
        masks = _look(rgb, whole_region(shape), rgb, model, text, examples, kept)
        yield Progress(1, 1, "looks", tuple(masks))
        return masks
    tiles = lay_tiles(shape, tile_side, min(OVERLAP, tile_side // 4))
    whole: list[Mask] = []
    cut: list[Mask] = []
    for number, tile in enumerate(tiles):
        for mask in _look(cut_region(rgb, tile), tile, rgb, model, text, examples, kept):
            moved = move_mask(mask, tile, shape)
            (cut if ends_at_seam(moved, tile, shape) else whole).append(moved)
        yield Progress(number + 1, len(tiles), "tiles")
    return merge_masks(whole, cut, tiles, MAX_OVERLAP)


def _look(
    picture: NDArray[np.uint8],
    region: Region,
    rgb: NDArray[np.uint8],
    model: TextModel,
    text: str | None,
    examples: Examples | None,
    cache: EmbeddingStore,
) -> list[Mask]:
    """Look at one part of a plane."""
    if examples is None:
        return model.find(encode_through(picture, model, cache), text)
    boxes, wanted, seen = examples.boxes, examples.wanted, picture
    y0, x0, y1, x1 = region.box
    within = (boxes >= [y0, x0, y0, x0]).all(axis=1) & (boxes <= [y1, x1, y1, x1]).all(axis=1)
    whole = region.box == (0, 0, *rgb.shape[:2])
    if examples.plane is rgb and (whole or (within & wanted).any()):
        chosen = np.ones(len(boxes), bool) if whole else within
        boxes, wanted = boxes[chosen] - np.array([y0, x0, y0, x0]), wanted[chosen]
    else:
        seen, boxes = paste_beside(picture, examples)
    embedding = encode_through(seen, model, cache)
    found = model.find(embedding, text, boxes=boxes, box_labels=wanted.astype(int).tolist())
    if seen is picture:
        return found
    cut = (_cut(mask, picture.shape[:2]) for mask in found)
    return [mask for mask in cut if mask is not None]


def paste_beside(
    picture: NDArray[np.uint8], examples: Examples
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Paste examples to the right of a picture, one below the other.

    Returns
    -------
    (H', W', 3) uint8
    (K, 4) float64
        Where their boxes lie there.
    """
    pieces, places = zip(*(_cut_out(examples.plane, box) for box in examples.boxes), strict=True)
    height, width = picture.shape[:2]
    column: list[int] = [0]
    corners: list[tuple[int, int]] = []
    left, across = width, 0
    for piece in pieces:
        if column[-1] and column[-1] + piece.shape[0] > height:  # another column
            left, across = left + across, 0
            column.append(0)
        corners.append((column[-1], left))
        column[-1] += piece.shape[0]
        across = max(across, piece.shape[1])
    tall = max(height, *(piece.shape[0] for piece in pieces))
    ground = np.median(picture.reshape(-1, 3), axis=0).astype(np.uint8)
    pasted = np.empty((tall, left + across, 3), np.uint8)
    pasted[:] = ground
    pasted[:height, :width] = picture
    boxes = np.empty((len(pieces), 4))
    for number, (piece, place, (y, x)) in enumerate(zip(pieces, places, corners, strict=True)):
        pasted[y : y + piece.shape[0], x : x + piece.shape[1]] = piece
        boxes[number] = place + np.array([y, x, y, x])
    return pasted, boxes


def _cut_out(
    plane: NDArray[np.uint8], box: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Cut an example out with its surroundings; where its box lies in that."""
    sides = np.tile(np.maximum((box[2:] - box[:2]) * MARGIN, LEAST_MARGIN), 2)
    limits = np.tile(plane.shape[:2], 2)
    wide = np.clip(np.round(box + sides * np.array([-1, -1, 1, 1])), 0, limits).astype(int)
    y0, x0, y1, x1 = wide.tolist()
    return plane[y0:y1, x0:x1], np.clip(box, 0, limits) - np.array([y0, x0, y0, x0])


def _cut(mask: Mask, shape: Sequence[int]) -> Mask | None:
    """Cut a mask to the picture beside the strip; None where most of it lies in the strip."""
    (y, x), height, width = mask.origin, shape[0], shape[1]
    inside = mask.crop[: max(0, height - y), : max(0, width - x)]
    if 2 * int(inside.sum()) <= mask.area:
        return None
    return crop_to_object(replace(mask, shape=(height, width), pixels=inside))
