"""Smaller looks at a plane, for objects that are larger than what a model can see at once.

A decoder sees a bounded part of the encoder's input around a prompt. Where its answer is doubtful,
the object may be larger than that: the plane is looked at in half the size, and again, until an
answer is sure. What is sure already costs nothing, unless it is so large that its outline is coarse
and the object's middle far from its rim: that is looked at in half the size once.
"""

from __future__ import annotations

from functools import cache as read_once
from typing import TYPE_CHECKING

from napari_sam_onnx.cache import encode_again
from napari_sam_onnx.masks.upscale import best_mask
from napari_sam_onnx.prompting.scales import AtScale, FreeModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.prompts import Prompts

SURE = 0.8
"""Predicted IoU from which on an answer is believed."""

LARGE = 160.0
"""Longest side, in pixels of the encoder's input, of an object that half the size shows better."""

NEARLY = 0.05
"""So much less sure may the smaller look at a large object be."""

TOO_LARGE = 128.0
"""Longest side, in pixels of the encoder's input, from which on a doubtful answer may have been one
because the object is too large; what a smaller look finds below that is a clump of small ones."""

SMALLEST_LOOK = 192
"""Longest side in pixels below which a plane shows nothing more."""


def smaller_looks(model: Model, embedding: Embedding) -> Iterator[AtScale]:
    """Yield a model that looks at half the size of an embedding, then at a quarter, and so on.

    None for a model whose encoder has one size: it sees the whole plane already.
    """
    if not isinstance(model, FreeModel) or not model.largest_input:
        return
    longest = max(embedding.plane_shape)
    seen = max(embedding.input_shape) / 2
    while seen >= SMALLEST_LOOK:
        yield AtScale(model, seen / longest)
        seen /= 2


def look_smaller(
    masks: Sequence[Mask],
    prompts: Sequence[Prompts],
    model: Model,
    embedding: Embedding,
    read: Callable[[], NDArray[np.uint8]],
    cache: EmbeddingStore,
) -> list[Mask]:
    """Ask again about doubtful answers and large objects, looking at the plane in smaller sizes.

    Parameters
    ----------
    masks : sequence of Mask
        The answers, one for each of the prompts.
    prompts : sequence of Prompts
        Of the plane.
    model : Model
    embedding : Embedding
        That the answers came from.
    read : callable
        Returns the plane, ``(H, W, 3)`` uint8; called where it is looked at again.
    cache : EmbeddingStore
        Where the smaller looks are kept.

    Returns
    -------
    list of Mask
        Instead of a doubtful answer the sure one of the largest look that has one, if it is of a
        large object; for a large object that of the next smaller look, if it is about as sure;
        others as they are.
    """
    found = list(masks)
    seen_at = max(embedding.input_shape) / max(embedding.plane_shape)
    sides = [_longest_side(mask, asked) for mask, asked in zip(found, prompts, strict=True)]
    large = {i for i, side in enumerate(sides) if side * seen_at > LARGE}
    open_ones = [i for i, mask in enumerate(found) if not mask.score >= SURE or i in large]
    looks, read = smaller_looks(model, embedding), read_once(read)
    while open_ones and (look := next(looks, None)) is not None:
        seen = encode_again(embedding, look, cache, read)
        answer = look.decode(seen, [prompts[i] for i in open_ones])
        for row, i in enumerate(open_ones):
            mask = best_mask(answer, row, seen.plane_shape)
            least = found[i].score - NEARLY if i in large else SURE
            seen_side = _longest_side(mask, prompts[i]) * seen_at
            if mask and mask.score >= least and (i in large or seen_side > TOO_LARGE):
                found[i] = mask
        large = set()
        open_ones = [i for i in open_ones if not found[i].score >= SURE]
    return found


def _longest_side(mask: Mask, prompts: Prompts) -> float:
    """Longest side in plane pixels of what was found and of the box that was given."""
    y0, x0, y1, x1 = mask.bbox if mask else (0, 0, 0, 0)
    sides = [y1 - y0, x1 - x0]
    if prompts.box is not None:
        sides += [prompts.box[2] - prompts.box[0], prompts.box[3] - prompts.box[1]]
    return float(max(sides))
