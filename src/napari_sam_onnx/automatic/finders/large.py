"""Objects that are larger than what a model sees at once, found beside the others in smaller looks.

Their pieces go; what lies on them and is seen well stays and is cut out of them. What is covered by
many objects that are seen well is no object but a heap of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.finders.decode import Filter, iterate_prompts
from napari_sam_onnx.automatic.finders.objects import foreground_in
from napari_sam_onnx.automatic.finders.progress import Progress
from napari_sam_onnx.automatic.kept.box_index import BoxIndex
from napari_sam_onnx.automatic.kept.duplicates import suppress_duplicates
from napari_sam_onnx.cache import encode_through
from napari_sam_onnx.embedding import Proposals
from napari_sam_onnx.generators import relay
from napari_sam_onnx.masks.mask import measure_overlap, see_within
from napari_sam_onnx.prompting.looks import SMALLEST_LOOK, SURE
from napari_sam_onnx.prompting.scales import AtScale, FreeModel
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.finders.decode import Found
    from napari_sam_onnx.automatic.kept.mask_set import MaskSet
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model

REACH = 200.0
"""Diameter in pixels of the encoder's input beyond which an object may be seen in pieces."""

HINT = 0.6
"""Part of it from which on a box is reason to look for large objects."""

SEEN = 24.0
"""Pixels of the encoder's input that `REACH` has at least in that look."""

MOST = 64
"""Proposed objects that a smaller look decodes at most, the most certain first."""

WELL = 0.7
"""Rating from which on an object that lies on a large one stays."""

HEAP = 0.2
"""Part of a large object's area from which on what lies on it shows that it is a heap."""

MANY = 6
"""So many small objects on a large one, however well they are seen, show the same."""

SAME = 0.6
"""IoU from which on a large object was found already."""

LARGER = Progress(1, 1, "looks")
"""The plane is looked at once more, for larger objects."""


def may_be_large(rgb: NDArray[np.uint8], model: Model, scale: float, cache: EmbeddingStore) -> bool:
    """Say whether a run's own look at a plane proposes what may be a part of a large object.

    However large an object is, some box there is as large as what is seen at once. The look is in
    the cache still, so this costs no other.
    """
    proposed = _propose(model, encode_through(rgb, model, cache), HINT * REACH / scale)
    return len(proposed) > 0


def add_large(
    found: MaskSet, rgb: NDArray[np.uint8], model: Model, scale: float, cache: EmbeddingStore
) -> Found:
    """Look for objects that are too large for the scale at which a run looked.

    Parameters
    ----------
    found : MaskSet
        Of the run.
    rgb : (H, W, 3) uint8
        The plane.
    model : Model
        Of the run; one that has a single size sees all there is.
    scale : float
        Encoder pixels per plane pixel at which the run looked.
    cache : EmbeddingStore

    Yields
    ------
    Progress

    Returns
    -------
    MaskSet
        With the large objects, without their pieces.
    """
    free = model.model if isinstance(model, AtScale) else model
    if not (isinstance(free, FreeModel) and free.largest_input):
        return found
    reach = REACH / scale
    longest = max(rgb.shape[:2])
    if reach > longest:
        return found
    sides = list(_smaller_sides(free, longest, scale))
    if not sides:
        return found
    # A small look, which costs next to nothing, shows whether anything is large.
    hint = min((side for side in sides if reach * side / longest >= SEEN), default=sides[0])
    first = yield from _encode(rgb, _look_at(free, hint, longest), cache)
    if not len(_propose(_look_at(free, hint, longest), first, HINT * reach)):
        return found
    seen: list[Mask] = []
    for side in sides:
        look = _look_at(free, side, longest)
        embedding = first if side == hint else (yield from _encode(rgb, look, cache))
        seen += yield from _look(look, embedding, reach)
    order = suppress_duplicates(seen, [mask.rating for mask in seen], 0.5)
    return _put_in(found, [seen[i] for i in order], reach)


def _smaller_sides(model: FreeModel, longest: int, scale: float) -> Iterator[float]:
    side = min(float(model.largest_input), longest * scale / 2)
    while side >= SMALLEST_LOOK:
        yield side
        side /= 2


def _look_at(model: FreeModel, side: float, longest: int) -> Model:
    """Give a model that sees a plane so large: the model itself where it does so anyway."""
    if side == model.largest_input <= longest:
        return model
    return AtScale(model, side / longest)


def _encode(
    rgb: NDArray[np.uint8], look: Model, cache: EmbeddingStore
) -> Generator[Progress, None, Embedding]:
    yield LARGER
    embedding = encode_through(rgb, look, cache)
    yield LARGER
    return embedding


def _look(look: Model, embedding: Embedding, reach: float) -> Generator[Progress, None, list[Mask]]:
    """Find the large objects that one look is sure of."""
    proposed = _propose(look, embedding, 0.7 * reach)
    shape = embedding.plane_shape
    prompts = [make_prompts([point], plane_shape=shape) for point in proposed.points[:MOST]]
    steps = iterate_prompts(look, embedding, prompts, MOST, Filter(SURE))
    masks = yield from relay(steps, lambda _: LARGER)
    rated = (replace(m, rating=m.predicted_iou * foreground_in(m, proposed)) for m in masks)
    return [mask for mask in rated if mask.rating >= SURE and _diameter(mask) > reach]


def _propose(model: Model, embedding: Embedding, least: float) -> Proposals:
    """Give those objects that a model proposes whose boxes are larger than a square of a side."""
    proposed = model.propose(embedding)
    if proposed is None:
        return Proposals(np.zeros((0, 2)), np.zeros((0, 4)), np.zeros(0, np.float32))
    sides = proposed.boxes[:, 2:] - proposed.boxes[:, :2]
    large = np.flatnonzero(np.sqrt(sides.prod(axis=1).clip(0)) > least)
    return replace(
        proposed,
        points=proposed.points[large],
        boxes=proposed.boxes[large],
        scores=proposed.scores[large],
    )


def _put_in(found: MaskSet, large: Sequence[Mask], reach: float) -> MaskSet:
    """Add large objects, cut around what lies on them, and leave out their pieces."""
    masks: list[Mask | None] = list(found.masks)
    chosen = set(found.indices().tolist()) if large else set()
    index = BoxIndex()
    for number, mask in enumerate(found.masks):
        index.add(number, mask.bbox)
    added = []
    for big in large:
        on_it = [
            (i, shared)
            for i in index.find_touching(big.bbox)
            if masks[i] is not None
            and (shared := measure_overlap(found.masks[i], big)) > 0.5 * found.masks[i].area
        ]
        well = [i for i, _ in on_it if _is_seen_well(found.masks[i], reach)]
        covered = _cover(big, [found.masks[i] for i in well if i in chosen])
        small = sum(i in chosen and _diameter(found.masks[i]) < reach / 2 for i, _ in on_it)
        if (
            small >= MANY
            or covered.sum() > HEAP * big.area
            or any(
                shared > SAME * (found.masks[i].area + big.area - shared)
                for i, shared in on_it
                if i in chosen and found.masks[i].rating >= WELL
            )
        ):
            continue
        for i, _ in on_it:
            if i not in well:
                masks[i] = None
        added.append(replace(big, pixels=big.crop & ~covered))
    if not added:
        return found
    kept = tuple(mask for mask in masks if mask is not None)
    return replace(found, masks=(*kept, *added), _known={})


def _is_seen_well(mask: Mask, reach: float) -> bool:
    return mask.rating >= WELL and _diameter(mask) < reach / 2


def _diameter(mask: Mask) -> float:
    return float(np.sqrt(4 / np.pi * mask.area))


def _cover(big: Mask, others: Sequence[Mask]) -> NDArray[np.bool_]:
    """Say which pixels of a mask's crop others have."""
    covered = np.zeros(big.pixels.shape, bool)
    for mask in others:
        covered |= see_within(mask, big.bbox)
    return covered & big.crop
