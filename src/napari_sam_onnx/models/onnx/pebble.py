"""What pebble does beyond a SAM decoder: proposals, and second looks of encoder and decoder.

Its masks cover a window around the object instead of the whole plane; all functions
follow the algorithms of ``pebble/MODEL_CARD.md``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.embedding import LowResMask, Proposals
from napari_sam_onnx.masks.nms import suppress_overlapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.models.onnx.contracts.families import EncoderContract
    from napari_sam_onnx.models.onnx.framing.feeds import Question
    from napari_sam_onnx.models.onnx.framing.frame import Frame

CENTER_THRESHOLD = 0.1
"""Probability below which a peak of the centre map is no proposal; who asks chooses above it."""

SAME_OBJECT = 0.7
"""IoU of two proposed boxes above which they are one object, seen at two of its peaks."""

_STRIDE = 4  # of the encoder's maps of centres and extents


def look_closer(
    embedding: Embedding, frame: Frame, encoder: EncoderContract
) -> tuple[int, int] | None:
    """Say in which larger size a plane of small objects is to be encoded once more.

    Planes are enlarged twice at most: beyond that there is no more to be seen.

    Parameters
    ----------
    embedding : Embedding
    frame : Frame
        Where the plane lies in the encoder's input.
    encoder : EncoderContract
        Its `size` bounds what may enter.

    Returns
    -------
    (h, w) or None
        Twice the size, where the proposed objects are small.
    """
    height, width = 2 * embedding.plane_shape[0], 2 * embedding.plane_shape[1]
    enlarged = embedding.input_shape != embedding.plane_shape
    if enlarged or encoder.size is None or max(height, width) > max(encoder.size):
        return None
    return (height, width) if find_proposals(embedding, frame).small else None


def look_again(
    questions: Sequence[Question],
    logits: NDArray[np.float32],
    scores: NDArray[np.float32],
    windows: NDArray[np.float32],
    plane_shape: tuple[int, int],
) -> tuple[list[int], list[Question]]:
    """Find the answers that may reach beyond their window, and what to ask for them.

    Parameters
    ----------
    questions : sequence of B Question
    logits : (B, M, h, w) float32
    scores : (B, M) float32
    windows : (B, 4) float32
        ``(y0, x0, y1, x1)`` in edge coordinates of the plane.
    plane_shape : (H, W)
        A side of a window that lies beyond the plane cuts nothing off.

    Returns
    -------
    positions : list of int
        Of the questions to ask once more.
    larger : list of Question
        The same questions with their best answer as the mask to refine, around which the
        decoder lays a larger window.
    """
    best = logits[np.arange(len(logits)), np.argmax(scores, axis=1)]  # (B, h, w)
    height, width = plane_shape
    cut = (
        (best[:, 0, :].max(axis=1) > 0) & (windows[:, 0] > 0)
        | (best[:, :, 0].max(axis=1) > 0) & (windows[:, 1] > 0)
        | (best[:, -1, :].max(axis=1) > 0) & (windows[:, 2] < height)
        | (best[:, :, -1].max(axis=1) > 0) & (windows[:, 3] < width)
    )
    positions = [int(position) for position in np.flatnonzero(cut)]
    larger = [
        replace(questions[position], mask=LowResMask(best[position], windows[position]))
        for position in positions
    ]
    return positions, larger


def find_proposals(embedding: Embedding, frame: Frame) -> Proposals:
    """Read objects off the map of centres.

    Parameters
    ----------
    embedding : Embedding
        With ``objectness`` (1, 2, h, w) and ``extent`` (1, 4, h, w), a cell for every 4 × 4
        pixels of the encoder's input.
    frame : Frame
        Where the plane lies in the encoder's input.

    Returns
    -------
    Proposals
        Peaks of the centre map, most certain first, one for each object, and the foreground.
        A cell at an object's rim is half background; so each takes the highest value of its
        neighbourhood, lest small objects count for less.
    """
    from scipy.ndimage import maximum_filter  # here, so that listing models starts at once

    input_height, input_width = embedding.input_shape
    rows = -(-input_height // _STRIDE)
    columns = -(-input_width // _STRIDE)
    maps = np.asarray(embedding.tensors["objectness"], np.float32)[0, :, :rows, :columns]
    centers, foreground = maps
    peaks = (centers >= maximum_filter(centers, 3)) & (centers > CENTER_THRESHOLD)
    row, column = np.nonzero(peaks)
    x, y = _STRIDE * column + 1.5, _STRIDE * row + 1.5
    inside = (x < input_width - 0.5) & (y < input_height - 0.5)
    row, column, x, y = row[inside], column[inside], x[inside], y[inside]
    scores = centers[row, column]
    left, top, right, bottom = np.asarray(embedding.tensors["extent"])[0][:, row, column]
    corner_0 = frame.points_to_plane(np.stack([x - left, y - top], axis=1))
    corner_1 = frame.points_to_plane(np.stack([x + right, y + bottom], axis=1))
    boxes = np.concatenate([corner_0, corner_1], axis=1).astype(np.float64)
    kept = suppress_overlapping(boxes, scores, SAME_OBJECT)
    return Proposals(
        frame.points_to_plane(np.stack([x, y], axis=1))[kept],
        boxes[kept],
        scores[kept].astype(np.float32),
        maximum_filter(foreground, 3),
        _STRIDE / frame.scale,
        maps,
    )
