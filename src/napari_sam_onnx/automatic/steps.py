"""A plane -> its masks, or its label image, step by step: generators that can be closed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam_onnx.automatic.finders.blobs import iterate_blobs
from napari_sam_onnx.automatic.finders.boxes import boxes_of, iterate_boxes
from napari_sam_onnx.automatic.finders.crops import lay_tiles
from napari_sam_onnx.automatic.finders.flows import iterate_flows
from napari_sam_onnx.automatic.finders.grid import iterate_grid
from napari_sam_onnx.automatic.finders.large import add_large, may_be_large
from napari_sam_onnx.automatic.finders.objects import iterate_objects
from napari_sam_onnx.automatic.finders.progress import LOOKING
from napari_sam_onnx.automatic.finders.tiles import Wanted, iterate_tiles
from napari_sam_onnx.automatic.scale import own_scale, set_scale
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.automatic.settings.grid_parameters import GridParameters
from napari_sam_onnx.automatic.settings.modes import TiledParameters
from napari_sam_onnx.automatic.settings.parameters import (
    BlobsParameters,
    BoxesParameters,
    FlowsParameters,
    ObjectsParameters,
)
from napari_sam_onnx.cache import EmbeddingCache, PartsCache
from napari_sam_onnx.prompting.scales import AtScale

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.automatic.finders.decode import Found, MaskSteps
    from napari_sam_onnx.automatic.finders.progress import Progress
    from napari_sam_onnx.automatic.settings.modes import Parameters
    from napari_sam_onnx.automatic.where import Place
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pieces import Workshop


def iterate_mask_set(
    rgb: NDArray[np.uint8],
    model: Model,
    parameters: Parameters,
    *,
    cache: EmbeddingStore | None = None,
    boxes: ArrayLike | None = None,
    doubtful: bool = False,
    wanted: Wanted | None = None,
    place: Place | None = None,
    large: bool = True,
    workshop: Workshop | None = None,
) -> Found:
    """Find what is on a plane, step by step, and keep it.

    Closing the generator stops the run at the next step.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The plane as the model sees it, see `napari_sam_onnx.pictures.image.to_rgb`.
    model : Model
        See `napari_sam_onnx.load_model`.
    parameters : Parameters
        Choose the mode by their type, see `make_parameters`.
    cache : EmbeddingStore, optional
        Where the embeddings of the plane, of crops and of tiles are kept.
    boxes : (N, 4) array-like or (H, W) array of bool or integer, optional
        For `BoxesParameters` alone: boxes ``(y0, x0, y1, x1)`` in plane pixels, or a label
        image, whose numbers the masks keep, or a mask whose connected regions are the objects.
    doubtful : bool
        Whether masks are kept too that the limits of the parameters leave out, so that the limits
        can be loosened afterwards. A ``grid`` keeps what its reference returns.
    wanted : callable, optional
        Says which boxes (N, 4) of ``objects`` or ``blobs`` are to be looked at; all where omitted.
    place : Place, optional
        Where objects are looked for; masks are cut to its free pixels.
    large : bool
        Whether ``objects``, in tiles or not, also looks for those that are larger than what the
        model sees at once, see `napari_sam_onnx.automatic.finders.large`; and ``blobs`` at those
        that a model of one size sees too small, see `napari_sam_onnx.automatic.finders.small`.
    workshop : Workshop, optional
        Who does tiles, and where finished ones are kept; they lose their logits.

    Yields
    ------
    Progress
        Before the plane is encoded, and after each batch of prompts or each tile.

    Returns
    -------
    MaskSet
        The generator's value; its own selection is what the parameters ask for.
    """
    if (boxes is not None) != isinstance(parameters, BoxesParameters):
        raise ParameterError("Boxes are given with the mode 'boxes', and only with it.")
    kept: EmbeddingStore = EmbeddingCache(max_bytes=0) if cache is None else cache
    if place is not None:
        steps = iterate_mask_set(
            rgb,
            model,
            parameters,
            cache=kept,
            boxes=boxes,
            doubtful=doubtful,
            wanted=place.wants if wanted is None else wanted,
            large=large,
            workshop=workshop,
        )
        return place.cut((yield from steps))
    unscaled = (TiledParameters, FlowsParameters)
    if not isinstance(parameters, unscaled) and parameters.diameter > 0:
        yield LOOKING
        model, parameters = set_scale(rgb, model, parameters, kept)
    match parameters:
        case GridParameters():
            return (yield from iterate_grid(rgb, model, parameters, kept))
        case ObjectsParameters():
            found = yield from iterate_objects(rgb, model, parameters, kept, doubtful, wanted)
            seen = model.scale if isinstance(model, AtScale) else own_scale(rgb, model, kept)
            if not large or not may_be_large(rgb, model, seen, kept):
                return found
            return (yield from add_large(found, rgb, model, seen, kept))
        case BlobsParameters():
            return (yield from iterate_blobs(rgb, model, parameters, kept, doubtful, wanted, large))
        case BoxesParameters():
            assert boxes is not None  # checked above
            corners, numbers = boxes_of(boxes, (rgb.shape[0], rgb.shape[1]))
            return (
                yield from iterate_boxes(rgb, model, parameters, kept, corners, numbers, doubtful)
            )
        case FlowsParameters():
            return (yield from iterate_flows(rgb, model, parameters, kept, doubtful))
        case TiledParameters():
            side, overlap = parameters.tile_side, parameters.tile_overlap
            tiles = lay_tiles((rgb.shape[0], rgb.shape[1]), side, overlap)
            parts = PartsCache(kept, len(tiles))

            settings = parameters.inner_parameters
            assert settings is not None  # the dataclass fills it in
            inside = partial(_look_inside, settings, doubtful)
            found = yield from iterate_tiles(
                rgb, parameters, inside, tiles, model, parts, doubtful, wanted, workshop
            )
            if not large or not isinstance(parameters.inner_parameters, ObjectsParameters):
                return found
            seen = model.scale if isinstance(model, AtScale) else 1.0  # tiles are not shrunk
            return (yield from add_large(found, rgb, model, seen, kept))


def _look_inside(
    settings: Parameters,
    doubtful: bool,
    model: Model,
    cache: EmbeddingStore,
    tile: NDArray[np.uint8],
    own: Wanted,
) -> Found:
    """Run the mode inside on a tile."""
    return iterate_mask_set(
        tile, model, settings, cache=cache, doubtful=doubtful, wanted=own, large=False
    )


def iterate_masks(
    rgb: NDArray[np.uint8],
    model: Model,
    parameters: Parameters,
    *,
    cache: EmbeddingStore | None = None,
    boxes: ArrayLike | None = None,
) -> MaskSteps:
    """Find the masks of a plane, step by step; see `iterate_mask_set`.

    Returns
    -------
    list of Mask
        The generator's value. Order: the best rated first (``grid``: the reference's);
        with boxes that of the boxes.
    """
    found = yield from iterate_mask_set(rgb, model, parameters, cache=cache, boxes=boxes)
    return found.choose()


def iterate_labels(
    rgb: NDArray[np.uint8],
    model: Model,
    parameters: Parameters,
    *,
    cache: EmbeddingStore | None = None,
    boxes: ArrayLike | None = None,
    limits: Mapping[str, float] | None = None,
    place: Place | None = None,
) -> Generator[Progress, None, NDArray[np.uint32]]:
    """Make the label image of a plane, step by step; see `iterate_mask_set`.

    Parameters
    ----------
    rgb, model, parameters, cache, boxes
        See `iterate_mask_set`.
    limits : mapping of str to float, optional
        Limits of the `Selection` that are to be others than those of the parameters.
    place : Place, optional
        Where objects are looked for, and which labels stay.

    Returns
    -------
    (H, W) uint32
        The generator's value. Where masks overlap the smaller one is on top. A mask of a grid's
        clicks that reaches all four edges of the plane is its background and is left out.
    """
    found = yield from iterate_mask_set(
        rgb, model, parameters, cache=cache, boxes=boxes, place=place
    )
    painted = found.paint(found.selection.change(**(limits or {})))
    return painted if place is None else place.add(painted)
