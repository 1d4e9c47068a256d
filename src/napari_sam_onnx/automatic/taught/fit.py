"""Settings that reproduce labels of one's own: scale and rating searched on a labelled part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.arguments import as_numbers
from napari_sam_onnx.automatic.generate import find_masks, load
from napari_sam_onnx.automatic.scale import own_scale
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.automatic.where import make_place
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.evaluation.evaluate import evaluate_labels
from napari_sam_onnx.labels.linking import measure_areas
from napari_sam_onnx.pictures.image import to_rgb
from napari_sam_onnx.prompting.scales import SEEN_DIAMETER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel

FACTORS = (0.45, 1.5, 2.0, 3.0)
"""Scales that are tried beside the model's own, as multiples of it."""

RATINGS = tuple(float(r) for r in np.arange(0.3, 0.85, 0.05).round(2))
"""Least ratings that are tried."""

THRESHOLDS = (0.5, 0.75)
"""IoU thresholds whose average precision is to be high."""

WORTH = 0.02
"""What other settings must gain on the labelled part to be preferred to the default."""

FEWEST = 10
"""Labelled objects from which on a gain there is one elsewhere, too."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Settings, and how well they reproduce the labels.

    Parameters
    ----------
    settings : dict
        For `napari_sam_onnx.automask`; empty where the default is as good.
    score, default : float
        Mean average precision at `THRESHOLDS` on the labelled part, with them and without.
    objects : int
        That are labelled there.
    """

    settings: dict[str, float]
    score: float
    default: float
    objects: int = FEWEST

    @property
    def few(self) -> bool:
        """Whether too few objects are labelled for settings to be fitted to them."""
        return self.objects < FEWEST


def fit_settings(
    image: Any,
    model: Model | str,
    labels: ArrayLike,
    inside: ArrayLike | None = None,
    *,
    axes: str | None = None,
    channels: Sequence[Channel] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cache: EmbeddingStore | None = None,
) -> Fitted:
    """Search the settings of automatic masks that reproduce labels best.

    Parameters
    ----------
    image, model, axes, channels, progress, cache
        See `napari_sam_onnx.find_masks`; progress counts scales.
    labels : (H, W) integer array-like
        All objects of the labelled part.
    inside : (H, W) array-like, optional
        Nonzero in the part that is labelled completely; the whole plane where omitted.

    Returns
    -------
    Fitted
        The default, where fewer than `FEWEST` objects are labelled.

    Raises
    ------
    ParameterError
        If there are no labels in that part, or the sizes differ.
    """
    made = load(model)
    kept: EmbeddingStore = EmbeddingCache() if cache is None else cache
    rgb = to_rgb(image, axes, channels)
    shape = (rgb.shape[0], rgb.shape[1])
    truth = as_numbers(labels, "A label image is an array of numbers", ParameterError)
    make_place(shape, inside, truth)  # refuses what does not fit
    part = np.ones(shape, bool)
    if inside is not None:
        part = as_numbers(inside, "A region is an array of numbers", ParameterError) != 0
    truth = np.where(part, truth, 0)
    if not truth.any():
        raise ParameterError("There is no label in the part to fit to; label some objects first.")
    objects = len(measure_areas(truth)[0])
    if objects < FEWEST:
        reached = _score(find_masks(rgb, made, inside=part, cache=kept).paint(), truth, part)
        return Fitted({}, reached, reached, objects)
    own = own_scale(rgb, made, kept)
    tried: list[dict[str, Any]] = [{}]
    tried += [{"diameter": SEEN_DIAMETER / (own * factor)} for factor in FACTORS]
    best, score, default = dict[str, float](), -1.0, 0.0
    for number, scale in enumerate(tried):
        found = find_masks(rgb, made, inside=part, cache=kept, **scale)
        if number == 0:
            default = score = _score(found.paint(), truth, part)
        for rating in RATINGS:
            reached = _score(found.paint(min_rating=rating), truth, part)
            if reached > max(score, default + WORTH):
                best, score = {**scale, "min_rating": rating}, reached
        if progress is not None:
            progress(number + 1, len(tried))
    return Fitted(best, score, default, objects)


def _score(labels: NDArray[np.uint32], truth: NDArray[Any], part: NDArray[np.bool_]) -> float:
    """Compare inside the part alone."""
    return evaluate_labels(np.where(part, labels, 0), truth, THRESHOLDS).msa
