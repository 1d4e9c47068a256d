"""What detectors share: their boxes, what is refused, and which boxes become prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.embedding import Proposals
from napari_sam_onnx.masks.nms import suppress_overlapping
from napari_sam_onnx.models.model import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NMS_IOU = 0.9
MOST_BOXES = 320
"""Which boxes become prompts: MobileSAMv2's values (Zhang et al. 2023, section 3.2). Boxes of
different classes suppress each other, for they may be one object."""


def to_corners(middles: NDArray[np.floating]) -> NDArray[np.floating]:
    """Turn ``(4, N)`` centres and sides (x, y, width, height) into (N, 4) x0, y0, x1, y1."""
    cx, cy, w, h = middles
    return np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], axis=1)


def check_numbers(name: str, finite: bool) -> None:
    """Refuse what a detector answers where it is not finite.

    Raises
    ------
    ModelError
    """
    if not finite:
        raise ModelError(
            f"{name} answers with values that are no numbers; take the full precision file or "
            "provider='cpu'."
        )


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
