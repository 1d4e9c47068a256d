"""Learn to reject: from a few objects that were kept and deleted to a rating of all others.

The model's rating, corrected by a logistic regression (scikit-learn, only to fit it) on the
features of shape and brightness, and on what `describe_masks` says where that tells the judged
objects apart clearly better. What is learned is some hundred numbers, saved as JSON and applied
without scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.automatic.taught.looks import describe_masks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.automatic.kept.mask_set import MaskSet
    from napari_sam_onnx.embedding import Embedding

LEARNED = "learned"
"""The feature that a `Judge` notes."""

LEAST = 0.5
"""Learned rating from which on an object is wanted."""

PENALTY = {"shape": 0.03, "seen": 0.003}
"""Inverse strength of the penalty on weights, scikit-learn's C, for features of unit spread."""

FAITH = 5.0
MOST_FAITH = 0.1
"""So many wanted objects do those count that nobody judged, all together; and each at most."""

FOLDS = 3
"""Objects of each kind from which on what is learned is tried on some that are left out."""

LEAST_SLOPE = 0.1
"""What was learned never turns the order of the scores round."""

BETTER = 0.03
"""What the model's features must add, as area under the curve, on judged objects left out."""

SHAPES = ("circularity", "solidity", "elongation", "contrast", "brightness", "roughness")
LAST = len(SHAPES) + 2
"""Features that are not the model's: diameter, shapes, rating."""


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """What was learned.

    Parameters
    ----------
    model : str
        The `id` of the model whose features it was learned on.
    mean, spread, weights : (D,) float64
        Of the features that `describe_objects` gives.
    bias : float
    """

    model: str
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float

    def rate(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rate objects: how likely each is wanted, (N,), 0 to 1.

        Raises
        ------
        ParameterError
            If the features are those of another model.
        """
        if features.shape[1:] != self.weights.shape:
            raise ParameterError(
                f"What was learned is about {len(self.weights)} features and this model gives "
                f"{features.shape[1]}; it was learned with {self.model}."
            )
        scores = ((features - self.mean) / self.spread) @ self.weights + self.bias
        from scipy.special import expit  # here, so that listing models starts at once

        return np.asarray(expit(scores), np.float64)

    def note(self, found: MaskSet, embedding: Embedding, rgb: NDArray[np.uint8]) -> None:
        """Rate the masks of a run; they can then be chosen by the feature `LEARNED`."""
        if embedding.model_id != self.model:
            raise ParameterError(
                f"This was learned with the model {self.model}; the one that is used is "
                f"{embedding.model_id}."
            )
        found.note(LEARNED, self.rate(describe_objects(found, embedding, rgb)))

    def to_dict(self) -> dict[str, Any]:
        """Return it as values that JSON knows."""
        columns = {"mean": self.mean, "spread": self.spread, "weights": self.weights}
        numbers = {name: [float(v) for v in values] for name, values in columns.items()}
        return {"model": self.model, **numbers, "bias": float(self.bias)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Judge:
        """Read what `to_dict` gives.

        Raises
        ------
        ParameterError
            If it is nothing of the kind.
        """
        try:
            mean, spread, weights = (
                np.array(values[name], np.float64) for name in ("mean", "spread", "weights")
            )
            made = cls(str(values["model"]), mean, spread, weights, float(values["bias"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ParameterError("This is nothing that was learned from objects.") from error
        alike = mean.ndim == 1 and mean.shape == spread.shape == weights.shape
        if not alike or not (spread > 0).all():
            raise ParameterError("This is nothing that was learned from objects.")
        return made


def describe_objects(
    found: MaskSet, embedding: Embedding, rgb: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Describe the masks of a run for `learn_judge`.

    Returns
    -------
    (N, D) float64
        What `describe_masks` gives, the logarithm of the diameter, `SHAPES`, and the log odds of
        the rating.
    """
    if not len(found):
        return np.zeros((0, 0))
    seen = describe_masks(embedding, rgb, found.masks)
    size = np.log2(np.maximum(1.0, found.feature("diameter")))
    shapes = [np.nan_to_num(found.feature(name)) for name in SHAPES]
    rating = np.clip(np.nan_to_num(found.feature("rating")), 1e-3, 1 - 1e-3)
    own = np.stack([size, *shapes, np.log(rating / (1 - rating))], axis=1)
    return np.concatenate([seen, own], axis=1)


def learn_judge(
    features: NDArray[np.float64],
    wanted: ArrayLike,
    model: str,
    others: NDArray[np.float64] | None = None,
) -> Judge:
    """Learn from objects that were judged.

    Parameters
    ----------
    features : (N, D) float64
        See `describe_objects`.
    wanted : (N,) array-like of bool
    model : str
        The `id` of the model.
    others : (M, D) float64, optional
        Objects that are shown and that nobody judged. They say how features differ at all, which
        a few judged objects cannot, and count a little as wanted, see `FAITH`: what few say must
        not throw away nearly everything.

    Raises
    ------
    ParameterError
        If there are not both kinds, or scikit-learn is not installed.
    """
    good = np.asarray(wanted, bool)
    if not good.any() or good.all():
        raise ParameterError(
            "Learning takes objects that are wanted and some that are not: keep a few and delete "
            "a few."
        )
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ParameterError(
            "Learning needs scikit-learn: pip install napari-sam-onnx[learn]."
        ) from error
    rest = np.zeros((0, features.shape[1])) if others is None else np.asarray(others, float)
    everything = np.concatenate([features, rest])
    mean, spread = everything.mean(axis=0), everything.std(axis=0) + 1e-6
    spread[-1] = 1.0  # the rating keeps its own measure: odds
    mean[-1] = 0.0
    units, odds = (everything - mean) / spread, features[:, -1]
    if _order(odds, good) < 0.5:  # judged against the rating, which then says nothing
        odds = np.zeros(len(odds))
    shapes = np.arange(units.shape[1] - LAST, units.shape[1] - 1)
    seen = np.arange(units.shape[1] - 1)

    def fit(rows: Any, columns: Any, penalty: float) -> Any:
        made = LogisticRegression(C=penalty, class_weight="balanced", max_iter=500)
        return made.fit(units[np.ix_(rows, columns)], good[rows])

    def tell_apart(columns: Any, penalty: float) -> float:
        """Measure on objects that were left out: the area under the curve."""
        scores = odds.copy()
        for left_out in _fold(good):
            rows = np.setdiff1d(np.arange(len(good)), left_out)
            fitted = fit(rows, columns, penalty)
            scores[left_out] += fitted.decision_function(units[np.ix_(left_out, columns)])
        return _order(scores, good)

    columns, penalty = shapes, PENALTY["shape"]
    if min(good.sum(), (~good).sum()) >= FOLDS:
        by_shape = tell_apart(shapes, PENALTY["shape"])
        if tell_apart(seen, PENALTY["seen"]) > by_shape + BETTER:
            columns, penalty = seen, PENALTY["seen"]
    # each kind counts half of what was judged, and the rest as some that are wanted
    halves = np.where(good, 0.5 / good.sum(), 0.5 / (~good).sum()) * len(good)
    each = min(FAITH / max(1, len(rest)), MOST_FAITH)
    trust = np.concatenate([halves, np.full(len(rest), each)])
    truth = np.concatenate([good, np.ones(len(rest), bool)])
    fitted = LogisticRegression(C=penalty, max_iter=500).fit(units[:, columns], truth, trust)
    weights = np.zeros(units.shape[1])
    weights[columns], weights[-1] = fitted.coef_[0], float(odds.any())
    # so that 0.5 lies between both kinds
    scores = (units @ weights)[:, None]
    scale = float(scores.std()) if len(rest) else 1.0  # scores of few may hardly differ
    level = LogisticRegression(C=1.0).fit(scores / max(scale, 1e-9), truth, trust)
    slope = max(float(level.coef_[0, 0]) / max(scale, 1e-9), LEAST_SLOPE)
    return Judge(model, mean, spread, slope * weights, float(level.intercept_[0]))


def _order(scores: NDArray[np.float64], good: NDArray[np.bool_]) -> float:
    """Part of the pairs of a good and another object of which the good one has the higher score."""
    higher = scores[good][:, None] - scores[~good][None]
    return float(np.mean((higher > 0) + 0.5 * (higher == 0)))


def _fold(good: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Divide objects into `FOLDS` parts that each hold both kinds."""
    order = np.concatenate([np.flatnonzero(good), np.flatnonzero(~good)])
    return [np.sort(order[first::FOLDS]) for first in range(FOLDS)]
