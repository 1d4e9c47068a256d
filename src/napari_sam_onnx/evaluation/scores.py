"""Figures of an evaluation, per picture and pooled: what is written to a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.evaluation.evaluate import (
    Evaluation,
    EvaluationError,
    Matching,
    evaluate_labels,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Boundary:
    """How well outlines agree, in pixels of outlines.

    Parameters
    ----------
    found, expected : int
        Pixels of the outlines of the labels and of the truth.
    found_near, expected_near : int
        Those of them that lie within the tolerance of an outline of the other.
    """

    found: int
    expected: int
    found_near: int
    expected_near: int

    @property
    def f(self) -> float:
        """Harmonic mean of precision and recall; 1 where there is no outline in either image."""
        if not self.found and not self.expected:
            return 1.0
        if not self.found or not self.expected:
            return 0.0
        precision, recall = self.found_near / self.found, self.expected_near / self.expected
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """An evaluation of one picture, or of several pooled.

    Parameters
    ----------
    evaluation : Evaluation
    boundary : Boundary
    """

    evaluation: Evaluation
    boundary: Boundary

    def figures(self) -> dict[str, float | int]:
        """All figures by name; NaN where nothing matched.

        ``found``, ``expected`` and, for each threshold, ``tp``, ``fp``, ``fn``, ``ap``, ``f1``,
        ``precision`` and ``recall``; ``msa`` (mean of the AP over the thresholds), ``mean_iou``
        (of the matched) and ``pq`` (Kirillov et al. 2019: F1 times that mean) at the first
        threshold, ``boundary_f``.
        """
        first = self.evaluation.matchings[0]
        figures: dict[str, float | int] = {"found": first.found, "expected": first.expected}
        for threshold, matching in zip(
            self.evaluation.thresholds, self.evaluation.matchings, strict=True
        ):
            at = f"@{threshold:g}"
            figures |= {
                f"tp{at}": matching.true_positives,
                f"fp{at}": matching.false_positives,
                f"fn{at}": matching.false_negatives,
                f"ap{at}": matching.average_precision,
                f"f1{at}": matching.f1,
                f"precision{at}": matching.precision,
                f"recall{at}": matching.recall,
            }
        figures["msa"] = self.evaluation.msa
        figures["mean_iou"] = first.mean_iou
        quality = 0.0 if np.isnan(first.mean_iou) else first.mean_iou
        figures["pq"] = first.f1 * quality if first.found + first.expected else 1.0
        figures["boundary_f"] = self.boundary.f
        return figures


def measure_boundary(labels: ArrayLike, truth: ArrayLike, tolerance: float = 2.0) -> Boundary:
    """Compare the outlines of two label images.

    Parameters
    ----------
    labels, truth : integer or boolean arrays of one shape
    tolerance : float
        Pixels within which two outlines agree.

    Returns
    -------
    Boundary

    Notes
    -----
    Martin, Fowlkes and Malik (2004); an outline are the pixels of an object that touch the
    background or another object along an axis, as `skimage.segmentation.find_boundaries`.
    """
    from scipy.ndimage import distance_transform_edt

    if tolerance < 0:
        raise EvaluationError(f"The tolerance of outlines is not negative; got {tolerance:g}.")
    lines = [_outline(np.asarray(image)) for image in (labels, truth)]
    near = []
    for own, other in (lines, lines[::-1]):
        if not other.any():
            near.append(0)
            continue
        distance = distance_transform_edt(~other)
        near.append(int(np.count_nonzero(distance[own] <= tolerance)))
    found, expected = (int(np.count_nonzero(line)) for line in lines)
    return Boundary(found, expected, near[0], near[1])


def score_labels(
    labels: ArrayLike,
    truth: ArrayLike,
    thresholds: Sequence[float],
    tolerance: float = 2.0,
) -> Scores:
    """Evaluate one label image; see `evaluate_labels` and `measure_boundary`."""
    return Scores(
        evaluate_labels(labels, truth, thresholds), measure_boundary(labels, truth, tolerance)
    )


def pool_scores(scores: Sequence[Scores]) -> Scores:
    """Pool pictures: objects and outlines are counted together, so that each object weighs alike.

    Raises
    ------
    EvaluationError
        If there is nothing to pool, or the thresholds differ.
    """
    if not scores:
        raise EvaluationError("There is no picture to pool; evaluate at least one.")
    thresholds = scores[0].evaluation.thresholds
    if any(score.evaluation.thresholds != thresholds for score in scores):
        raise EvaluationError("Only evaluations at the same thresholds can be pooled.")
    matchings = []
    for level in range(len(thresholds)):
        parts = [score.evaluation.matchings[level] for score in scores]
        matchings.append(
            Matching(
                np.concatenate([part.labels for part in parts]),
                np.concatenate([part.truth for part in parts]),
                np.concatenate([part.iou for part in parts]),
                sum(part.found for part in parts),
                sum(part.expected for part in parts),
            )
        )
    lines = [score.boundary for score in scores]
    boundary = Boundary(
        sum(line.found for line in lines),
        sum(line.expected for line in lines),
        sum(line.found_near for line in lines),
        sum(line.expected_near for line in lines),
    )
    return Scores(Evaluation(thresholds, tuple(matchings)), boundary)


def _outline(image: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark outlines; the picture's own edge is none."""
    from skimage.segmentation import find_boundaries

    if image.dtype == bool:
        image = image.astype(np.uint8)
    marked: NDArray[np.bool_] = find_boundaries(image, connectivity=1, mode="inner")
    outline: NDArray[np.bool_] = marked & (image != 0)
    return outline
