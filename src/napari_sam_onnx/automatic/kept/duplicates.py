"""Two masks, one object: which of them stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.kept.box_index import BoxIndex
from napari_sam_onnx.masks.mask import measure_overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.masks.mask import Mask


def suppress_duplicates(
    masks: Sequence[Mask], scores: ArrayLike, max_overlap: float
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression of masks, by their pixels.

    Boxes mislead where cells touch diagonally or lie inside each other, so the masks themselves
    are compared.

    Parameters
    ----------
    masks : sequence of N Mask
        All of one plane. Empty ones are dropped.
    scores : (N,) array-like
        Higher wins; equal scores keep their order.
    max_overlap : float
        A mask is dropped where the pixels that it shares with a kept one exceed this part of the
        smaller of the two. The IoU is never larger than that part, so one limit serves both.

    Returns
    -------
    (K,) intp
        The kept indices, by descending score.
    """
    areas = [mask.area for mask in masks]
    index = BoxIndex()
    kept = []
    for number in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable").tolist():
        mask = masks[number]
        if areas[number] and not any(
            measure_overlap(mask, masks[other]) > max_overlap * min(areas[number], areas[other])
            for other in index.find_touching(mask.bbox)
        ):
            index.add(number, mask.bbox)
            kept.append(number)
    return np.array(kept, dtype=np.intp)
