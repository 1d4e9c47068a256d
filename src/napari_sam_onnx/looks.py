"""Smaller looks at a plane, for objects that are larger than what a model can see at once.

A decoder sees a bounded part of the encoder's input around a prompt. Where its answer is doubtful,
the object may be larger than that: the plane is looked at in half the size, and again, until an
answer is sure. What is sure already costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.cache import encode_through
from napari_sam_onnx.scales import AtScale, FreeModel
from napari_sam_onnx.upscale import best_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.masks import Mask
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.prompts import Prompts

SURE = 0.8
"""Predicted IoU from which on an answer is believed."""

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
    """Ask again about doubtful answers, looking at the plane in smaller sizes.

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
        A sure answer of the largest look that has one, instead of a doubtful one; others as they
        are.
    """
    found = list(masks)
    open_ones = [i for i, mask in enumerate(found) if not mask.score >= SURE]
    looks = smaller_looks(model, embedding)
    rgb: NDArray[np.uint8] | None = None
    while open_ones and (look := next(looks, None)) is not None:
        rgb = read() if rgb is None else rgb
        seen = encode_through(rgb, look, cache)
        answer = look.decode(seen, [prompts[i] for i in open_ones])
        for row, i in enumerate(open_ones):
            mask = best_mask(answer, row, seen.plane_shape)
            if mask and mask.score >= SURE:
                found[i] = mask
        open_ones = [i for i in open_ones if not found[i].score >= SURE]
    return found
