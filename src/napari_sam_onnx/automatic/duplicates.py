"""Two masks, one object: which of them stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.masks import measure_overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.masks import Mask


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
    boxes = np.array([mask.bbox for mask in masks]).reshape(-1, 4)
    areas = [mask.area for mask in masks]
    kept: list[int] = []
    for index in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable"):
        if areas[index] and not _repeats(int(index), kept, masks, boxes, areas, max_overlap):
            kept.append(int(index))
    return np.array(kept, dtype=np.intp)


def _repeats(
    index: int,
    kept: list[int],
    masks: Sequence[Mask],
    boxes: NDArray[np.intp],
    areas: Sequence[int],
    max_overlap: float,
) -> bool:
    """Whether a mask is one of the kept ones again."""
    others = boxes[kept].reshape(-1, 4)
    box = boxes[index]
    touching = (others[:, :2] < box[2:]).all(axis=1) & (others[:, 2:] > box[:2]).all(axis=1)
    return any(
        measure_overlap(masks[index], masks[kept[k]])
        > max_overlap * min(areas[index], areas[kept[k]])
        for k in np.flatnonzero(touching)
    )
