"""Several models on one prompt: what each answers and how long it takes, and one answer of all.

    plane + prompts ─ each model ─▶ ModelAnswers ─ ensemble ─▶ Mask

A model that cannot answer a prompt (boxes only, say) does not stop the others: its answer
holds the sentence that says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np
import scipy

from napari_sam_onnx.arguments import require
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.embedding import LowResMask
from napari_sam_onnx.errors import UserError
from napari_sam_onnx.masks.mask import Mask, crop_to_object
from napari_sam_onnx.masks.upscale import best_mask, mask_from_low_res, upscale_region
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.prompts import PromptError, Prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models.model import Model

    Region = tuple[tuple[int, int], NDArray[np.float32]]

_BACKGROUND = -7.0
"""A logit whose probability, 0.001, counts as none: it bounds the part of the plane looked at."""

_SURE = 1e-6  # probabilities nearer to 0 and 1 than this become no larger logits


class CompareError(UserError, ValueError):
    """Answers that cannot be put together; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelAnswer:
    """What one model says to a prompt.

    Parameters
    ----------
    model_id : str
    mask : Mask or None
        The candidate that the model's family shows first; None where there is a problem.
    candidates : sequence of Mask
        All of the model's answers, in its own order.
    encode_ms : float or None
        Milliseconds to encode the plane; None where the embedding was in the cache.
    decode_ms : float
        Milliseconds from the prompt to masks of the plane.
    problem : str
        Why there is no mask; "" where there is one.
    """

    model_id: str
    mask: Mask | None
    candidates: Sequence[Mask] = ()
    encode_ms: float | None = None
    decode_ms: float = 0.0
    problem: str = ""


def compare_models(
    rgb: NDArray[np.uint8],
    prompts: Prompts,
    models: Sequence[Model],
    cache: EmbeddingStore | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[ModelAnswer]:
    """Ask several models the same.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The plane, as models see it; see `napari_sam_onnx.pictures.image.to_rgb`.
    prompts : Prompts
        For one object. An earlier mask is shown to each model in its own window.
    models : sequence of Model
        One after the other, each alone on the machine, so that the times can be compared.
    cache : EmbeddingStore, optional
        Where embeddings are looked up and kept.
    progress : callable, optional
        Called with models done and models in all.

    Returns
    -------
    list of ModelAnswer
        In the order of `models`.

    Raises
    ------
    CompareError
        If there is no model.
    """
    require(prompts, Prompts, "Models are compared on Prompts, see make_prompts", PromptError)
    if not models:
        raise CompareError("There is no model to compare; choose at least one.")
    kept = EmbeddingCache() if cache is None else cache
    answers = []
    for done, model in enumerate(models):
        if progress is not None:
            progress(done, len(models))
        try:
            answers.append(_ask(rgb, prompts, model, kept))
        except (ModelError, PromptError) as error:
            answers.append(ModelAnswer(model.id, None, problem=str(error)))
    if progress is not None:
        progress(len(models), len(models))
    return answers


def _ask(
    rgb: NDArray[np.uint8], prompts: Prompts, model: Model, cache: EmbeddingStore
) -> ModelAnswer:
    seconds: list[float] = []
    embedding = encode_through(rgb, model, cache, seconds.append)
    encode_ms = 1000 * seconds[0] if seconds else None
    start = perf_counter()
    mask = best_mask(model.decode(embedding, [prompts]), 0, embedding.plane_shape)
    decode_ms = 1000 * (perf_counter() - start)
    return ModelAnswer(model.id, mask, mask.candidates, encode_ms, decode_ms)


def ensemble(
    answers: Sequence[ModelAnswer | Mask], how: Literal["mean", "majority"] = "mean"
) -> Mask:
    """Make one mask of several models' masks.

    Parameters
    ----------
    answers : sequence of ModelAnswer or Mask
        Of one plane. Answers with a problem are left out.
    how : {"mean", "majority"}
        "mean": the object is where the mean of the models' probabilities exceeds one half.
        Probabilities, not logits, are averaged: families' logits differ in scale (SAM 2's
        exports clamp theirs at 32), and their mean would be the mask of the family that
        shouts. A mask without logits counts as sure.
        "majority": the object is where more than half of the masks are set; of two masks,
        where both are.

    Returns
    -------
    Mask
        Its ``predicted_iou`` is the mean of the masks'; with "mean" it has logits of its own,
        at the plane's resolution, and hence a stability.

    Raises
    ------
    CompareError
        If no answer has a mask, or the masks are of different planes.
    """
    wanted = "An ensemble is made of a list of answers or masks"
    require(answers, (list, tuple), wanted, CompareError)
    for answer in answers:
        require(answer, (ModelAnswer, Mask), wanted, CompareError)
    given = [answer.mask if isinstance(answer, ModelAnswer) else answer for answer in answers]
    masks = [mask for mask in given if mask is not None]
    if not masks:
        raise CompareError("There is no mask to put together; let at least one model answer.")
    shapes = {mask.shape for mask in masks}
    if len(shapes) > 1:
        raise CompareError("The masks are of planes of different sizes; compare on one plane.")
    if how not in ("mean", "majority"):
        raise CompareError(f"An ensemble is made by mean or majority; got {how!r}.")
    scores = np.array([mask.predicted_iou for mask in masks])
    known = scores[np.isfinite(scores)]
    score = float(known.mean()) if known.size else float("nan")
    plane_shape = masks[0].shape
    if how == "majority":
        origin, votes = _average([(mask.origin, _as_floats(mask)) for mask in masks])
        return crop_to_object(Mask(plane_shape, origin, votes > 0.5, score))
    origin, mean = _average([_probabilities(mask) for mask in masks])
    if not mean.size:
        return Mask(plane_shape, (0, 0), np.zeros((0, 0), bool), score)
    window = np.array([*origin, origin[0] + mean.shape[0], origin[1] + mean.shape[1]], np.float32)
    logits = np.asarray(scipy.special.logit(np.clip(mean, _SURE, 1 - _SURE)), np.float32)
    return mask_from_low_res(LowResMask(logits, window), plane_shape, score)


def _as_floats(mask: Mask) -> NDArray[np.float32]:
    return mask.crop.astype(np.float32)


def _probabilities(mask: Mask) -> Region:
    """Probabilities on the plane's pixels, where they are more than nothing."""
    if mask.low_res is None:
        return mask.origin, _as_floats(mask)
    origin, logits = upscale_region(mask.low_res, mask.shape, _BACKGROUND)
    return origin, np.asarray(scipy.special.expit(logits), np.float32)


def _average(regions: Sequence[Region]) -> Region:
    """Mean of regions of a plane over the box that holds them all; 0 outside of each."""
    present = [(origin, values) for origin, values in regions if values.size]
    if not present:
        return (0, 0), np.zeros((0, 0), np.float32)
    top, left = (min(origin[axis] for origin, _ in present) for axis in (0, 1))
    bottom, right = (
        max(origin[axis] + values.shape[axis] for origin, values in present) for axis in (0, 1)
    )
    total = np.zeros((bottom - top, right - left), np.float32)
    for (y, x), values in present:
        height, width = values.shape
        total[y - top : y - top + height, x - left : x - left + width] += values
    return (top, left), np.asarray(total / len(regions), np.float32)
