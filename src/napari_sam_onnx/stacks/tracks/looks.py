"""What a model sees in each object of a series, so that links prefer what looks alike.

The maps of a frame's embedding are averaged inside each object, as they are for examples, see
`napari_sam_onnx.automatic.taught.looks`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.automatic.taught.looks import describe_masks
from napari_sam_onnx.cache import encode_through
from napari_sam_onnx.masks.mask import Mask

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.stacks.tracks.objects import FrameObjects


def describe_objects(
    objects: FrameObjects,
    read: Callable[[int], NDArray[np.uint32]],
    read_picture: Callable[[int], NDArray[np.uint8]],
    model: Model,
    cache: EmbeddingStore,
) -> Generator[tuple[int, int], None, FrameObjects]:
    """Say how the objects of a series look.

    Parameters
    ----------
    objects : FrameObjects
        Of planes.
    read : callable
        The labels of a frame, (H, W).
    read_picture : callable
        A frame as a model sees it.
    model : Model
    cache : EmbeddingStore

    Yields
    ------
    done, total : int
        Frames.

    Returns
    -------
    FrameObjects
        The generator's value: with `FrameObjects.looks`; without, where the model's embedding
        holds no map to compare.
    """
    described = []
    count = int(objects.frames.max()) + 1 if len(objects) else 0
    for frame in range(count):
        mine = objects.labels[objects.frames == frame]
        if len(mine):
            masks = _cut(read(frame), mine)
            picture = read_picture(frame)
            embedding = encode_through(picture, model, cache)
            try:
                values = describe_masks(embedding, picture, masks)
            except ParameterError:
                return objects
            lengths = np.linalg.norm(values, axis=1, keepdims=True)
            described.append(values / np.maximum(lengths, 1e-9))
        yield frame + 1, count
    return replace(objects, looks=np.concatenate(described)) if described else objects


def _cut(labels: NDArray[np.uint32], wanted: NDArray[np.int64]) -> list[Mask]:
    """Cut the objects of some labels out of a plane, in their order."""
    from scipy import ndimage

    compact = np.zeros(labels.shape, np.int32)
    inside = np.isin(labels, wanted)
    compact[inside] = np.searchsorted(wanted, labels[inside]) + 1
    height, width = labels.shape
    return [
        Mask((height, width), (where[0].start, where[1].start), compact[where] == number)
        for number, where in enumerate(ndimage.find_objects(compact), 1)
    ]
