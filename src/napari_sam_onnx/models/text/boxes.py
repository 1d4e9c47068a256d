"""Which boxes of a detector become prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.embedding import Proposals
from napari_sam_onnx.nms import suppress_overlapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

NMS_IOU = 0.9
MOST_BOXES = 320
"""Which boxes become prompts: MobileSAMv2's values (Zhang et al. 2023, section 3.2). Boxes of
different classes suppress each other, for they may be one object."""


def keep_boxes(
    edges: NDArray[np.floating],
    scores: NDArray[np.floating],
    plane_shape: tuple[int, int],
    threshold: float,
) -> Proposals:
    """Keep the boxes that become prompts.

    Parameters
    ----------
    edges : (N, 4) array
        ``(y0, x0, y1, x1)`` in edge coordinates of the plane; clipped to it here.
    scores : (N,) array
    plane_shape : (H, W)
    threshold : float
        Boxes with a score at or below it are dropped.

    Returns
    -------
    Proposals
        At most `MOST_BOXES`, none of which overlaps a better one by more than `NMS_IOU`.
    """
    height, width = plane_shape
    corners = np.clip(np.asarray(edges, np.float64), 0, [height, width, height, width])
    sure = (scores > threshold) & (corners[:, 2:] > corners[:, :2]).all(axis=1)
    corners, scores = corners[sure], np.asarray(scores, np.float32)[sure]
    kept = suppress_overlapping(corners, scores, NMS_IOU)[:MOST_BOXES]
    boxes = corners[kept] - 0.5  # edges to pixel centres at integers
    return Proposals((boxes[:, :2] + boxes[:, 2:]) / 2, boxes, scores[kept])
