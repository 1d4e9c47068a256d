"""The objects that the model's own encoder saw: one prompt for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.finders.decode import Found, iterate_seeds
from napari_sam_onnx.automatic.finders.progress import Progress
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.cache import encode_through
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.settings.parameters import ObjectsParameters
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Proposals
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model


def iterate_objects(
    rgb: NDArray[np.uint8],
    model: Model,
    parameters: ObjectsParameters,
    cache: EmbeddingStore,
    doubtful: bool = False,
    wanted: Callable[[NDArray[np.float64]], NDArray[np.bool_]] | None = None,
) -> Found:
    """Prompt with each proposal of the model, and choose one mask per object.

    ``wanted`` says which of the proposed boxes (N, 4) are to be looked at; all where omitted.

    Raises
    ------
    ParameterError
        If the model proposes nothing by itself.
    """
    yield Progress(0, 0, "objects")
    embedding = encode_through(rgb, model, cache)
    found = model.propose(embedding)
    if found is None:
        raise ParameterError(
            f"The model {model.id!r} does not propose objects; choose the mode 'grid' or 'blobs'."
        )
    with_box = parameters.prompt == "point+box"
    sure = found.scores >= parameters.min_confidence
    if wanted is not None:
        sure &= wanted(found.boxes)
    prompts = [
        make_prompts([point], box=box if with_box else None, plane_shape=embedding.plane_shape)
        for point, box in zip(found.points[sure], found.boxes[sure], strict=True)
    ]

    def rate(mask: Mask) -> float:
        return mask.predicted_iou * foreground_in(mask, found)

    least = parameters.min_rating
    return (
        yield from iterate_seeds(
            rgb,
            model,
            embedding,
            prompts,
            parameters,
            least,
            rate,
            doubtful=doubtful,
            sorted_seeds=True,
        )
    )


def foreground_in(mask: Mask, found: Proposals) -> float:
    """Mean foreground under a mask; 1 where the model sees none apart from its objects."""
    if found.foreground is None or found.cell is None:
        return 1.0
    places = (
        np.clip(((np.arange(span.start, span.stop) + 0.5) / size).astype(np.intp), 0, last - 1)
        for span, size, last in zip(mask.slices, found.cell, found.foreground.shape, strict=True)
    )
    return float(found.foreground[np.ix_(*places)][mask.crop].mean())
