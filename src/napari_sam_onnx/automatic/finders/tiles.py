"""A large plane tile by tile, and its masks put together so that no seam cuts an object.

Neighbouring tiles overlap. An object that a seam cuts is whole in the neighbour, as long as it is
no larger than the overlap: then the whole copy stays and the pieces go. The pieces of a larger one
are united where they agree on the pixels that both tiles saw.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.finders.progress import Progress
from napari_sam_onnx.automatic.kept.box_index import BoxIndex
from napari_sam_onnx.automatic.kept.duplicates import suppress_duplicates
from napari_sam_onnx.automatic.kept.mask_set import MaskSet
from napari_sam_onnx.automatic.kept.packed import pack_masks, unpack_masks
from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.masks.mask import Mask, measure_overlap, unite
from napari_sam_onnx.masks.regions import cut_region, move_mask
from napari_sam_onnx.pieces import Here, Piece, Task

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.finders.decode import Found
    from napari_sam_onnx.automatic.settings.modes import TiledParameters
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.masks.regions import Region
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pieces import Parts, Workshop

Wanted = Callable[["NDArray[np.float64]"], "NDArray[np.bool_]"]
"""Says which boxes (N, 4) of a part of a plane are to be looked at there."""

# A mask that ends this near to a seam, in pixels, is cut by it: outlines stop short of an edge.
SEAM = 2
# Pieces belong together where they share this part of the smaller one, seen by both tiles.
AGREEMENT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class TileFound:
    """What was found in a tile.

    Parameters
    ----------
    passing, others : tuple of Mask
        Of the plane: what the limits let pass, and, where that is wanted, what they leave out.
    limits : Selection
        Of the mode inside.
    background : bool
        See `MaskSet`.
    """

    passing: tuple[Mask, ...]
    others: tuple[Mask, ...]
    limits: Selection
    background: bool


def iterate_tiles(
    rgb: NDArray[np.uint8],
    parameters: TiledParameters,
    inside: Callable[..., Found],
    tiles: Sequence[Region],
    model: Model,
    cache: EmbeddingStore,
    doubtful: bool = False,
    wanted: Wanted | None = None,
    workshop: Workshop | None = None,
) -> Found:
    """Run another mode in each tile and put the masks together.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        Its contrast was fixed for the whole plane, so tiles are alike.
    parameters : TiledParameters
    inside : callable
        Takes a model, a store of embeddings, the RGB picture of a tile, and a function that says
        which boxes of the tile are its own, and not better seen in a neighbour; finds its masks.
    tiles : sequence of Region
        See `lay_tiles`.
    model, cache
        What `inside` is given here.
    doubtful : bool
        Whether masks are kept too that the limits inside leave out.
    wanted : callable, optional
        Says which boxes of the plane are to be looked at; all where omitted.
    workshop : Workshop, optional
        Who does the tiles, and where finished ones are kept.

    Yields
    ------
    Progress
        In tiles, also at each step inside a tile.

    Returns
    -------
    MaskSet
        With the selection of the mode inside.
    """
    shape = (rgb.shape[0], rgb.shape[1])

    def prepare(number: int) -> Task:
        own = partial(find_own, number, tiles, shape, wanted)
        tile = tiles[number]
        return Task(_find_in_tile, (inside, cut_region(rgb, tile), own, tile, shape, doubtful))

    pieces = [
        Piece(f"tile-{number}", partial(prepare, number), _pack_tile, _unpack_tile)
        for number in range(len(tiles))
    ]
    # Whole and cut: what the limits let pass, and what they leave out, which changes nothing there.
    passing: tuple[list[Mask], list[Mask]] = [], []
    others: tuple[list[Mask], list[Mask]] = [], []
    found: TileFound | None = None
    yield Progress(0, len(tiles), "tiles")
    with closing((Here() if workshop is None else workshop).do(pieces, model, cache)) as moments:
        for moment in moments:
            if not moment.done:
                yield Progress(moment.number, len(tiles), "tiles")
                continue
            tile, found = tiles[moment.number], moment.value
            assert found is not None  # every tile has pixels
            for mask in found.passing:
                passing[ends_at_seam(mask, tile, shape)].append(mask)
            for mask in found.others:
                others[ends_at_seam(mask, tile, shape)].append(mask)
            background = found.background
            objects = (m for m in found.passing if not background or m.bbox != tile.box)
            yield Progress(moment.number + 1, len(tiles), "tiles", tuple(objects))
    assert found is not None  # a plane has a tile
    merged = [
        mask
        for whole, cut in (passing, others)
        for mask in merge_masks(whole, cut, tiles, parameters.max_overlap)
    ]
    selection = found.limits.change(max_overlap=parameters.max_overlap)
    return MaskSet(rgb, tuple(merged), selection, background=found.background)


def _find_in_tile(
    model: Model,
    cache: EmbeddingStore,
    inside: Callable[..., Found],
    rgb: NDArray[np.uint8],
    own: Wanted,
    tile: Region,
    shape: tuple[int, int],
    doubtful: bool,
) -> Generator[Progress, None, TileFound]:
    """Look for objects in a tile."""
    found: MaskSet = yield from inside(model, cache, rgb, own)
    limits = found.selection
    chosen = found.indices(limits)
    passing = tuple(move_mask(found.masks[i], tile, shape) for i in chosen)
    others: tuple[Mask, ...] = ()
    if doubtful:
        one_each = found.indices(Selection(max_overlap=limits.max_overlap))
        left = one_each[~np.isin(one_each, chosen)]
        others = tuple(move_mask(found.masks[i], tile, shape) for i in left)
    return TileFound(passing, others, limits, found.background)


def _pack_tile(found: TileFound) -> Parts:
    """Return what was found in a tile as it is kept and sent."""
    told = {"limits": asdict(found.limits), "background": found.background}
    words = np.frombuffer(json.dumps(told).encode(), np.uint8)
    parts = {"words": words, "passing": np.array(len(found.passing))}
    return parts | pack_masks((*found.passing, *found.others))


def _unpack_tile(parts: Parts) -> TileFound:
    """Read what `_pack_tile` gives."""
    told = json.loads(parts["words"].tobytes())
    masks, count = tuple(unpack_masks(parts)), int(parts["passing"])
    return TileFound(masks[:count], masks[count:], Selection(**told["limits"]), told["background"])


def find_own(
    number: int,
    tiles: Sequence[Region],
    plane_shape: tuple[int, int],
    wanted: Wanted | None,
    boxes: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Say which objects of a tile are to be looked at in it.

    An object that several tiles have inside, away from their seams, is looked at in one of them:
    where it lies farthest from the seams. What no tile has inside is looked at wherever it is seen.

    Parameters
    ----------
    number : int
        Of the tile.
    tiles : sequence of Region
    plane_shape : (H, W)
    wanted : callable or None
        Says which boxes of the plane are to be looked at at all.
    boxes : (N, 4) float64
        ``(y0, x0, y1, x1)`` in pixels of the tile.

    Returns
    -------
    (N,) bool
    """
    corner = np.tile(tiles[number].box[:2], 2)
    placed = boxes + corner
    depths = np.stack([measure_depth(tile, placed, plane_shape) for tile in tiles])
    own: NDArray[np.bool_] = (depths.max(axis=0) <= SEAM) | (depths.argmax(axis=0) == number)
    return own if wanted is None else own & wanted(placed)


def measure_depth(
    tile: Region, boxes: NDArray[np.float64], plane_shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Distance of each box from the nearest seam of a tile; negative where it crosses one."""
    edges = np.array(tile.box, np.float64)
    distance = np.concatenate([boxes[:, :2] - edges[:2], edges[2:] - 1 - boxes[:, 2:]], axis=1)
    distance[:, edges == (0, 0, *plane_shape)] = np.inf
    depth: NDArray[np.float64] = distance.min(axis=1)
    return depth


def merge_masks(
    whole: Sequence[Mask], cut: Sequence[Mask], tiles: Sequence[Region], max_overlap: float
) -> list[Mask]:
    """Put the masks of all tiles together.

    A piece goes where another tile has it inside, away from its own seams: that tile saw more of
    the object, whether it kept it or judged that there is none. It goes too where more than half
    of it is part of an object that another tile has whole. What is left are parts of objects that
    no tile has whole.

    Parameters
    ----------
    whole : sequence of Mask
        Of the plane; objects that lie inside a tile. Several tiles may have the same one.
    cut : sequence of Mask
        Of the plane; what a seam cuts, each with the ``crop_box`` of its tile.
    tiles : sequence of Region
    max_overlap : float
        See `suppress_duplicates`.

    Returns
    -------
    list of Mask
        The best rated first.
    """
    kept = [whole[i] for i in suppress_duplicates(whole, _scores(whole), max_overlap)]
    index = _file_boxes(kept)
    pieces = [
        piece
        for piece in cut
        if piece
        and not any(_contains(tile, piece) for tile in tiles)
        and not any(
            measure_overlap(piece, kept[i]) > AGREEMENT * piece.area
            for i in index.find_touching(piece.bbox)
        )
    ]
    everything = kept + [_unite(group) for group in _group_pieces(pieces)]
    return [
        everything[i] for i in suppress_duplicates(everything, _scores(everything), max_overlap)
    ]


def _contains(tile: Region, mask: Mask) -> bool:
    """Whether a mask lies inside a tile and ends at none of its seams."""
    y0, x0, y1, x1 = mask.bbox
    top, left, bottom, right = tile.box
    inside = top <= y0 and left <= x0 and y1 <= bottom and x1 <= right
    return inside and not ends_at_seam(mask, tile, mask.shape)


def _file_boxes(masks: Sequence[Mask]) -> BoxIndex:
    index = BoxIndex()
    for number, mask in enumerate(masks):
        index.add(number, mask.bbox)
    return index


def _scores(masks: Sequence[Mask]) -> list[float]:
    return [mask.predicted_iou if np.isnan(mask.rating) else mask.rating for mask in masks]


def ends_at_seam(mask: Mask, tile: Region, plane_shape: tuple[int, int]) -> bool:
    """Whether a mask ends at a seam: an edge of the tile that is none of the plane."""
    box, edges = np.array(mask.bbox), np.array(tile.box)
    seam = edges != (0, 0, *plane_shape)
    return bool((seam & (np.abs(box - edges) <= SEAM)).any())


def _group_pieces(pieces: Sequence[Mask]) -> list[list[Mask]]:
    """Group the pieces of different tiles that are one object."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    index = _file_boxes(pieces)
    pairs = [
        (a, b)
        for a in range(len(pieces))
        for b in index.find_touching(pieces[a].bbox)
        if a < b and _agree(pieces[a], pieces[b])
    ]
    rows, columns = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    count = len(pieces)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    groups, group_of = connected_components(graph, directed=False)
    return [[pieces[int(i)] for i in np.flatnonzero(group_of == group)] for group in range(groups)]


def _agree(a: Mask, b: Mask) -> bool:
    """Whether two pieces are alike in the pixels that both tiles saw."""
    if a.crop_box is None or b.crop_box is None or a.crop_box == b.crop_box:
        return False
    y0, x0 = np.maximum(a.crop_box[:2], b.crop_box[:2])
    y1, x1 = np.minimum(a.crop_box[2:], b.crop_box[2:])
    shared = measure_overlap(a, b)
    return shared > 0 and shared > AGREEMENT * min(
        _area_within(mask, y0, x0, y1, x1) for mask in (a, b)
    )


def _area_within(mask: Mask, y0: int, x0: int, y1: int, x1: int) -> int:
    """Pixels of a mask inside a box."""
    top, left = mask.origin
    rows = slice(max(0, y0 - top), max(0, y1 - top))
    return int(np.count_nonzero(mask.crop[rows, max(0, x0 - left) : max(0, x1 - left)]))


def _unite(pieces: Sequence[Mask]) -> Mask:
    """Make one mask of pieces; its scores are those of the worst piece."""
    if len(pieces) == 1:
        return pieces[0]
    united = unite(pieces)
    return replace(
        pieces[0],
        origin=united.origin,
        pixels=united.pixels,
        predicted_iou=min(piece.predicted_iou for piece in pieces),
        stability=min(piece.stability for piece in pieces),
        rating=min(_scores(pieces)),
        crop_box=None,
    )
