"""From the outputs of SAM 3's exports to masks of the plane.

Exports answer with booleans at the size that they are told, with probabilities, or with
logits; the type and the name of the output, and for floats their range, tell which.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import scipy

from napari_sam_onnx.embedding import LowResMask
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.masks.upscale import mask_from_low_res
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.framing.frame import longest_side_shape

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    Outputs = Mapping[str, NDArray[Any]]

MASKS = ("masks", "pred_masks")
SCORES = ("scores", "pred_logits")
_PRESENCE = "presence"  # how the name of the output begins that says whether any is there

_LARGEST = 1008
"""Longest side of the boolean masks asked for. SAM 3 draws them at 288, and two hundred of
them at the size of a large plane would fill the memory."""

_SURE = 1e-6  # probabilities nearer to 0 and 1 than this become no larger logits


def requested_shape(plane_shape: tuple[int, int]) -> tuple[int, int]:
    """Pixels of the masks to ask for, from an export that is told a size.

    Parameters
    ----------
    plane_shape : (H, W)

    Returns
    -------
    (h, w)
        The plane's own where it is small enough.
    """
    if max(plane_shape) <= _LARGEST:
        return plane_shape
    return longest_side_shape(plane_shape, _LARGEST)


def read_scores(outputs: Outputs) -> NDArray[np.float32]:
    """Scores of the N objects, 0 to 1.

    Where they come as logits they are multiplied with the probability that the text names
    anything in the picture at all, as SAM 3's own predictor does.

    Returns
    -------
    (N,) float32
    """
    if "scores" in outputs:
        return np.asarray(outputs["scores"], np.float32).reshape(-1)
    scores = to_probability(outputs["pred_logits"])
    for name, value in outputs.items():
        if name.startswith(_PRESENCE):
            scores = scores * to_probability(value)[0]
    return scores


def read_masks(
    outputs: Outputs,
    scores: NDArray[np.float32],
    threshold: float,
    plane_shape: tuple[int, int],
) -> list[Mask]:
    """Masks of the plane, of those objects whose score exceeds a threshold.

    Parameters
    ----------
    outputs : mapping of str to array
        All outputs of the decoder; the masks are (N, h, w) with any axes of length 1.
    scores : (N,) float32
    threshold : float
    plane_shape : (H, W)

    Returns
    -------
    list of Mask
        By descending score; masks without a pixel are left out.
    """
    name = next(name for name in MASKS if name in outputs)
    masks = outputs[name]
    masks = masks.reshape(-1, *masks.shape[-2:])
    if len(masks) != len(scores):
        raise ModelError(
            f"The decoder gives {len(masks)} masks and {len(scores)} scores; take its three "
            "files from one export."
        )
    order = np.argsort(-scores, kind="stable")
    kept = order[scores[order] > threshold]
    window = np.array([0, 0, *plane_shape], np.float32)
    found = []
    # one question for all masks: a single mask of a sure background has no telling values
    as_probabilities = name == "masks" and _lie_within_0_and_1(masks)
    for index in kept:
        score, mask = float(scores[index]), masks[index]
        if mask.dtype == np.bool_:
            found.append(_from_booleans(mask, score, plane_shape, window))
            continue
        values = np.asarray(mask, np.float32)
        logits = _logit(values) if as_probabilities else values
        found.append(mask_from_low_res(LowResMask(logits, window), plane_shape, score))
    return [mask for mask in found if mask]


def to_probability(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Logits of any shape to probabilities, (N,) float32."""
    return np.asarray(scipy.special.expit(np.asarray(logits, np.float32)), np.float32).reshape(-1)


def _from_booleans(
    mask: NDArray[np.bool_], score: float, plane_shape: tuple[int, int], window: NDArray[np.float32]
) -> Mask:
    """Make a mask that has no logits, and hence no stability and nothing to refine."""
    if mask.shape == plane_shape:
        return replace(Mask.from_array(mask), predicted_iou=score)
    steps = LowResMask(np.where(mask, np.float32(10), np.float32(-10)), window)
    made = mask_from_low_res(steps, plane_shape, score)
    return replace(made, stability=float("nan"), low_res=None)


def _lie_within_0_and_1(values: NDArray[Any]) -> bool:
    return values.dtype != np.bool_ and bool(values.size) and 0 <= values.min() <= values.max() <= 1


def _logit(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(scipy.special.logit(np.clip(probabilities, _SURE, 1 - _SURE)), np.float32)
