"""Automatic masks at the scale of their objects: given, or found by what the model sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.finders.crops import fit_side
from napari_sam_onnx.automatic.finders.decode import Filter, iterate_prompts
from napari_sam_onnx.automatic.finders.objects import foreground_in
from napari_sam_onnx.automatic.finders.progress import LOOKING
from napari_sam_onnx.automatic.kept.duplicates import suppress_duplicates
from napari_sam_onnx.automatic.settings.modes import TiledParameters, mode_of
from napari_sam_onnx.automatic.settings.parameters import BoxesParameters
from napari_sam_onnx.cache import encode_through
from napari_sam_onnx.embedding import CERTAIN
from napari_sam_onnx.generators import drive, relay
from napari_sam_onnx.prompting.looks import smaller_looks
from napari_sam_onnx.prompting.scales import (
    SEEN_DIAMETER,
    SMALLEST_PART,
    AtScale,
    FreeModel,
    plan_look,
)
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.finders.progress import Progress
    from napari_sam_onnx.automatic.settings.grid_parameters import GridParameters
    from napari_sam_onnx.automatic.settings.modes import Parameters
    from napari_sam_onnx.automatic.settings.parameters import BlobsParameters, ObjectsParameters
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.models import Model

SEEN_WELL = 20.0, 110.0
"""Median diameters, in pixels of the encoder's input, at which a model's own scale stays."""

SAMPLE = 40
"""Proposed objects that are decoded to judge a scale."""

LEAST_RATING = 0.55
"""Rating from which on an object counts for a scale."""

MANY_MORE = 3.0
"""So many times more objects, so much better together, show that what was seen were heaps."""

UNITED = 1.3
"""So many times larger are objects of which only pieces were seen before."""

AS_GOOD = 0.8
"""Part of what was seen before that another scale must show at least."""


def set_scale(
    rgb: NDArray[np.uint8],
    model: Model,
    parameters: GridParameters | ObjectsParameters | BlobsParameters | BoxesParameters,
    cache: EmbeddingStore,
) -> tuple[Model, Parameters]:
    """Turn a diameter into a model that looks at its scale, and parts of the plane where needed.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    model : Model
    parameters
        With a diameter.
    cache : EmbeddingStore
        Takes the embedding that shows how large the model sees the plane by itself.

    Returns
    -------
    model : Model
    parameters : Parameters
        Without a diameter; ``tiled`` where the plane is looked at in parts. Boxes, which may be
        anywhere and of any size, are looked at on the whole plane where a model of free size can
        see it, else at the model's own scale.
    """
    shape = (rgb.shape[0], rgb.shape[1])
    own = own_scale(rgb, model, cache)
    look = plan_look(model, shape, parameters.diameter, own)
    inner = replace(parameters, diameter=0.0)
    if not look.part:
        return look.model, inner
    if isinstance(inner, BoxesParameters):
        return model, inner
    side = look.part
    if isinstance(look.model, AtScale):  # sees tiles of any side in the same scale
        most = int(look.model.model.largest_input / look.model.scale)
        side = fit_side(shape, side, look.overlap, SMALLEST_PART, most)
    # What a tile must hold at least is declared with the mode.
    tiled = TiledParameters(
        inner=mode_of(inner),
        tile_side=side,
        tile_overlap=look.overlap,
        max_overlap=getattr(inner, "max_overlap", 0.5),
        inner_parameters=inner,
    )
    return look.model, tiled


def own_scale(rgb: NDArray[np.uint8], model: Model, cache: EmbeddingStore) -> float:
    """Say at how many encoder pixels per plane pixel a model sees a plane by its own rule.

    A plane that is larger than the largest input is shrunk to it; whether a smaller one is
    enlarged depends on what is seen, so it is encoded.
    """
    longest: int = max(rgb.shape[:2])
    if isinstance(model, FreeModel) and 0 < model.largest_input <= longest:
        return model.largest_input / longest
    seen: int = max(encode_through(rgb, model, cache).input_shape)
    return seen / longest


@dataclass(frozen=True, slots=True)
class Sight:
    """What a model sees at a scale.

    Parameters
    ----------
    scale : float
        Encoder pixels per plane pixel.
    count : float
        Objects that are rated well, estimated from a sample.
    seen : float
        Their median diameter in pixels of the encoder's input; 0 without any.
    worth : float
        Sum of how much their ratings exceed one half, estimated alike.
    least : float
        The diameter of the smallest, like ``seen``.
    """

    scale: float
    count: float
    seen: float
    worth: float
    least: float = 0.0

    @property
    def diameter(self) -> float:
        """Median diameter in plane pixels."""
        return self.seen / self.scale


def iterate_diameter(
    rgb: NDArray[np.uint8], model: Model, cache: EmbeddingStore
) -> Generator[Progress, None, float]:
    """Find the diameter to look for where the model's own scale does not suit the objects.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    model : Model
    cache : EmbeddingStore

    Yields
    ------
    Progress
        Before each look at the plane, and after it.

    Returns
    -------
    float
        The generator's value: in plane pixels; 0 where the model's own scale suits, or it has no
        other.

    Notes
    -----
    Objects that are seen too small are looked at larger. Those that are seen too large may be
    heaps: if a closer look shows many more and better ones, these count; else they are looked at
    smaller. Where nothing is seen well, or nothing but what may be pieces, objects may be too
    large: then smaller looks decide.
    A scale that shows clearly less than the first is not taken.
    """
    if not (isinstance(model, FreeModel) and model.largest_input):
        return 0.0
    own = yield from _look(rgb, model, cache)
    if not own.count:
        return (yield from _find_large(rgb, model, cache))
    other = yield from _improve(own, rgb, model, cache)
    return 0.0 if other is None else SEEN_DIAMETER / other


def _find_large(
    rgb: NDArray[np.uint8], model: FreeModel, cache: EmbeddingStore
) -> Generator[Progress, None, float]:
    """Look at the plane in smaller sizes until something is seen; its diameter, or 0."""
    for look in smaller_looks(model, encode_through(rgb, model, cache)):
        sight = yield from _look(rgb, look, cache)
        if sight.count:
            return sight.diameter
    return 0.0


def look_around(rgb: NDArray[np.uint8], model: Model, cache: EmbeddingStore) -> Sight:
    """Judge what a model sees in the scale that suits the objects; see `iterate_diameter`."""
    own = drive(_look(rgb, model, cache))
    if not (isinstance(model, FreeModel) and model.largest_input):
        return own
    other = drive(_improve(own, rgb, model, cache))
    fits = other is not None and max(rgb.shape[:2]) * other <= model.largest_input
    return own if other is None or not fits else drive(_look(rgb, AtScale(model, other), cache))


def _improve(
    first: Sight, rgb: NDArray[np.uint8], model: FreeModel, cache: EmbeddingStore
) -> Generator[Progress, None, float | None]:
    """Find the scale at which objects are seen better than at first; None where there is none."""
    if not first.count or SEEN_WELL[0] <= first.seen <= SEEN_WELL[1]:
        return None
    longest = max(rgb.shape[:2])
    if first.seen > SEEN_WELL[1] and longest * first.scale * 2 <= model.largest_input:
        closer = yield from _look(rgb, AtScale(model, first.scale * 2), cache)
        if closer.count > MANY_MORE * first.count and closer.worth > MANY_MORE * first.worth:
            well = SEEN_WELL[0] <= closer.seen <= SEEN_WELL[1]
            return closer.scale if well else SEEN_DIAMETER / closer.diameter
    if first.least > SEEN_WELL[1]:  # all are large: they may be pieces of what is larger still
        for look in smaller_looks(model, encode_through(rgb, model, cache)):
            other = yield from _look(rgb, look, cache)
            if other.count and other.diameter > UNITED * first.diameter:
                return SEEN_DIAMETER / other.diameter
    scale = SEEN_DIAMETER / first.diameter
    if longest * scale <= model.largest_input:
        other = yield from _look(rgb, AtScale(model, scale), cache)
        if other.worth < AS_GOOD * first.worth:
            return None
    return scale


def _look(
    rgb: NDArray[np.uint8], model: Model, cache: EmbeddingStore
) -> Generator[Progress, None, Sight]:
    """Judge what a model sees at its scale by a sample of what it proposes."""
    yield LOOKING
    embedding = encode_through(rgb, model, cache)
    yield LOOKING
    scale = max(embedding.input_shape) / max(embedding.plane_shape)
    return (yield from _judge(model, embedding, scale))


def _judge(model: Model, embedding: Embedding, scale: float) -> Generator[Progress, None, Sight]:
    found = model.propose(embedding)
    points = found.points[found.scores >= CERTAIN] if found is not None else np.zeros((0, 2))
    if found is None or not len(points):
        return Sight(scale, 0, 0, 0)
    # Spread over the certain and the less certain alike.
    chosen = np.unique(np.linspace(0, len(points) - 1, SAMPLE).round().astype(int))
    prompts = [make_prompts([points[i]], plane_shape=embedding.plane_shape) for i in chosen]
    steps = iterate_prompts(model, embedding, prompts, SAMPLE, Filter(LEAST_RATING))
    masks = yield from relay(steps, lambda _: LOOKING)
    ratings = np.array([mask.predicted_iou * foreground_in(mask, found) for mask in masks])
    kept = [i for i in suppress_duplicates(masks, ratings, 0.5) if ratings[i] >= LEAST_RATING]
    if not kept:
        return Sight(scale, 0, 0, 0)
    diameters = np.sqrt(4 / np.pi * np.array([masks[i].area for i in kept]))
    each = len(points) / len(chosen)
    worth = float((ratings[kept] - 0.5).sum())
    median, least = (float(np.quantile(diameters, part)) * scale for part in (0.5, 0))
    return Sight(scale, len(kept) * each, median, worth * each, least)
