"""Labels that were kept, of what a run finds → what was learned from them.

What a run finds and the labels have is wanted. What it finds where they have nothing was deleted.
What they have with another outline says nothing about which objects are wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.automatic.choose import iterate_choice
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.automatic.settings.modes import make_parameters
from napari_sam_onnx.automatic.steps import iterate_mask_set
from napari_sam_onnx.automatic.taught.learn import describe_objects, learn_judge
from napari_sam_onnx.automatic.where import make_place
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.generators import drive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.taught.learn import Judge
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model

SAME = 0.5
"""IoU with a label from which on an object is the one that was kept."""

GONE = 0.1
"""Part of an object that labels may still have where it was deleted: neighbours reach over."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What was learned, and from how many objects.

    Parameters
    ----------
    judge : Judge
    wanted, unwanted : int
        Objects that were kept, and that were deleted.
    """

    judge: Judge
    wanted: int
    unwanted: int


def learn_from_labels(
    planes: Iterable[tuple[NDArray[np.uint8], NDArray[np.integer[Any]], NDArray[Any] | None]],
    model: Model,
    mode: str | None = None,
    values: Mapping[str, Any] | None = None,
) -> Lesson:
    """Learn which objects are wanted from planes whose labels were corrected.

    Parameters
    ----------
    planes : iterable of (rgb, labels, inside)
        A plane as the model sees it, (H, W, 3) uint8; the labels that were kept, (H, W); and
        where they are complete, (H, W), nonzero there, or None.
    model : Model
    mode, values
        Of the automatic masks, see `napari_sam_onnx.find_masks`; as they will be asked for later.

    Raises
    ------
    ParameterError
        If sizes differ, there are not both kinds, or scikit-learn is not installed.
    """
    given = dict(values or {})
    settings = None if mode is None else make_parameters(mode, **given)
    cache = EmbeddingCache(max_bytes=0)
    rows: list[NDArray[np.float64]] = []
    judged: list[bool] = []
    for rgb, labels, inside in planes:
        shape = (rgb.shape[0], rgb.shape[1])
        make_place(shape, inside, labels)  # refuses what does not fit
        place = make_place(shape, inside)
        if settings is None:
            settings = drive(iterate_choice(model, rgb, cache, given))
        found = drive(iterate_mask_set(rgb, model, settings, cache=cache, place=place))
        chosen = found.painted()
        if not len(chosen):
            continue
        features = describe_objects(found, encode_through(rgb, model, cache), rgb)
        sizes = np.bincount(labels.ravel()) if labels.max(initial=0) < 2**24 else None
        for row in chosen:
            wanted = _is_wanted(found.masks[row], labels, sizes)
            if wanted is not None:
                rows.append(features[row])
                judged.append(wanted)
    if not rows:
        raise ParameterError("Nothing was found on these planes that could be learned from.")
    judge = learn_judge(np.array(rows), judged, model.id)
    return Lesson(judge, sum(judged), len(judged) - sum(judged))


def _is_wanted(
    mask: Mask, labels: NDArray[np.integer[Any]], sizes: NDArray[np.intp] | None
) -> bool | None:
    """Say whether a mask was kept, was deleted, or neither."""
    under = labels[mask.slices][mask.crop]
    numbers, counts = np.unique(under[under > 0], return_counts=True)
    if counts.sum() <= GONE * mask.area:
        return False
    best = int(np.argmax(counts))
    label = numbers[best]
    size = int(np.count_nonzero(labels == label)) if sizes is None else int(sizes[label])
    shared = int(counts[best])
    return True if shared >= SAME * (mask.area + size - shared) else None
