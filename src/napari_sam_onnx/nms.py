"""Non-maximum suppression: of boxes that overlap, the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def suppress_overlapping(
    boxes: ArrayLike, scores: ArrayLike, iou_threshold: float
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression of boxes, as torchvision's ``nms``.

    Parameters
    ----------
    boxes : (N, 4) array-like
        ``(y0, x0, y1, x1)``; areas are ``(y1 - y0) * (x1 - x0)``.
    scores : (N,) array-like
        Higher wins; equal scores keep their order.
    iou_threshold : float
        A box is dropped where its IoU with a kept one is greater.

    Returns
    -------
    (K,) intp
        The kept indices, by descending score.
    """
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    area = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    kept = []
    while order.size:
        head, rest = order[0], order[1:]
        kept.append(head)
        overlap = np.clip(
            np.minimum(corners[head, 2:], corners[rest, 2:])
            - np.maximum(corners[head, :2], corners[rest, :2]),
            0,
            None,
        ).prod(axis=1)
        union = area[head] + area[rest] - overlap
        iou = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
        order = rest[iou <= iou_threshold]
    return np.array(kept, dtype=np.intp)
