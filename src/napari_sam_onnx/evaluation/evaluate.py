"""A label image against a truth: which objects were found, and how well.

Label images are integer arrays of any number of dimensions, 0 where there is no object. What
the numbers are does not matter: objects are matched by their overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.errors import UserError
from napari_sam_onnx.labels.linking import count_overlaps, match_pairs, measure_areas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.masks.mask import Mask

THRESHOLDS = tuple(float(t) for t in np.linspace(0.5, 0.95, 10).round(2))
"""The IoU thresholds that mSA is the mean over."""


class EvaluationError(UserError, ValueError):
    """Label images that cannot be compared; the message says what to change."""


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """The objects of a label image and those of the truth, one to one.

    Parameters
    ----------
    labels, truth : (K,) int64
        The two labels of each matched pair.
    iou : (K,) float64
        Of each pair.
    found, expected : int
        Objects in the label image and in the truth.
    """

    labels: NDArray[np.int64]
    truth: NDArray[np.int64]
    iou: NDArray[np.float64]
    found: int
    expected: int

    @property
    def true_positives(self) -> int:
        """Objects of the label image that match one of the truth."""
        return len(self.iou)

    @property
    def false_positives(self) -> int:
        """Objects of the label image that match none."""
        return self.found - len(self.iou)

    @property
    def false_negatives(self) -> int:
        """Objects of the truth that were missed."""
        return self.expected - len(self.iou)

    @property
    def average_precision(self) -> float:
        """TP / (TP + FP + FN); 1 where there is no object in either image."""
        objects = self.found + self.expected - len(self.iou)
        return len(self.iou) / objects if objects else 1.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 where there is no object in either image."""
        objects = self.found + self.expected
        return 2 * len(self.iou) / objects if objects else 1.0

    @property
    def precision(self) -> float:
        """TP / (TP + FP); 1 where nothing was found and nothing expected, 0 where nothing was."""
        if not self.found:
            return 0.0 if self.expected else 1.0
        return len(self.iou) / self.found

    @property
    def recall(self) -> float:
        """TP / (TP + FN); 1 where there was nothing to find."""
        return len(self.iou) / self.expected if self.expected else 1.0

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the matched pairs; NaN without any."""
        return float(self.iou.mean()) if len(self.iou) else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A label image against a truth, at several IoU thresholds.

    Parameters
    ----------
    thresholds : tuple of float
    matchings : tuple of Matching
        One for each threshold.
    """

    thresholds: tuple[float, ...]
    matchings: tuple[Matching, ...]

    @property
    def msa(self) -> float:
        """Mean of the average precision over the thresholds."""
        return float(np.mean([m.average_precision for m in self.matchings]))

    def at(self, threshold: float) -> Matching:
        """Return the matching at one of the thresholds."""
        for known, matching in zip(self.thresholds, self.matchings, strict=True):
            if abs(known - threshold) < 1e-9:
                return matching
        raise EvaluationError(
            f"There is no threshold {threshold:g}; there are "
            f"{', '.join(f'{t:g}' for t in self.thresholds)}."
        )


def evaluate_labels(
    labels: ArrayLike, truth: ArrayLike, thresholds: Sequence[float] = THRESHOLDS
) -> Evaluation:
    """Match the objects of a label image to those of a truth.

    Parameters
    ----------
    labels, truth : integer or boolean arrays of one shape
        A boolean array is one object.
    thresholds : sequence of float
        A pair matches where its IoU is at least this; above 0, at most 1.

    Returns
    -------
    Evaluation

    Raises
    ------
    EvaluationError
        If the shapes differ, the numbers are not whole or negative, or a threshold is out of
        range.

    Notes
    -----
    Pairs are chosen so that as many as possible match and, of such choices, so that the sum of
    their IoUs is largest, as StarDist does it (Schmidt et al. 2018; ``stardist.matching``). From
    a threshold above 0.5 on no choice is left: an object can then overlap one other only.
    """
    found, expected = _check(labels, "The labels"), _check(truth, "The truth")
    if found.shape != expected.shape:
        raise EvaluationError(
            f"The labels have shape {found.shape} and the truth {expected.shape}; they must be "
            "of one size."
        )
    for threshold in thresholds:
        if not 0 < threshold <= 1:
            raise EvaluationError(f"An IoU threshold lies above 0 and up to 1; got {threshold:g}.")
    ids, areas = measure_areas(found)
    true_ids, true_areas = measure_areas(expected)
    a, b, shared = count_overlaps(found, expected)
    union = areas[np.searchsorted(ids, a)] + true_areas[np.searchsorted(true_ids, b)] - shared
    iou = shared / union
    matchings = []
    for threshold in thresholds:
        near = np.flatnonzero(iou >= threshold)
        # A pair more is worth more than any gain in IoU.
        chosen = near[match_pairs(a[near], b[near], 1 + iou[near] / (2 * max(1, len(ids))))]
        matchings.append(Matching(a[chosen], b[chosen], iou[chosen], len(ids), len(true_ids)))
    return Evaluation(tuple(thresholds), tuple(matchings))


def average_precision(
    labels: ArrayLike, truth: ArrayLike, thresholds: Sequence[float] = THRESHOLDS
) -> NDArray[np.float64]:
    """Average precision in the sense of StarDist and Cellpose: TP / (TP + FP + FN).

    Parameters
    ----------
    labels, truth, thresholds
        See `evaluate_labels`.

    Returns
    -------
    (T,) float64
        One for each threshold; 1 where there is no object in either image.

    Notes
    -----
    Schmidt et al. 2018 (MICCAI, "Cell detection with star-convex polygons"), section 3; Stringer
    et al. 2021 (Nature Methods 18, 100), "Average precision". Also called segmentation accuracy;
    its mean over 0.5, 0.55 … 0.95 is mSA, as in the 2018 Data Science Bowl.
    """
    matchings = evaluate_labels(labels, truth, thresholds).matchings
    return np.array([m.average_precision for m in matchings])


def average_recall(
    masks: Sequence[Mask],
    truth: ArrayLike,
    most: int,
    thresholds: Sequence[float] = THRESHOLDS,
) -> float:
    """Average recall of proposals, AR@K: masks that may overlap and are not painted.

    Parameters
    ----------
    masks : sequence of Mask
        In any order; the best rated count first.
    truth : (H, W) integer or boolean array
    most : int
        K: so many masks count, at least 1.
    thresholds : sequence of float
        See `evaluate_labels`.

    Returns
    -------
    float
        Mean over the thresholds of the part of the truth's objects that is found; 1 where there
        is no object.

    Raises
    ------
    EvaluationError
        If the truth is no label image of the masks' plane, or K is below 1.

    Notes
    -----
    Hosang et al. 2016, "What makes for effective detection proposals?", counted as COCO's own
    evaluation does: one after the other, the best rated first, each mask takes the object that it
    overlaps most of those that are free, where the IoU is at least the threshold.
    """
    expected = _check(truth, "The truth")
    if most < 1:
        raise EvaluationError(f"AR@K needs a K of 1 or more; got {most}.")
    ids, areas = measure_areas(expected)
    if not len(ids):
        return 1.0
    ratings = np.array([mask.rating for mask in masks], float)
    order = np.argsort(-np.nan_to_num(ratings, nan=-np.inf), kind="stable")[:most]
    overlaps = []
    for number in order:
        mask = masks[number]
        if mask.shape != expected.shape:
            raise EvaluationError(
                f"The masks are of a plane of {mask.shape} and the truth of {expected.shape}; "
                "they must be of one size."
            )
        under = expected[mask.slices][mask.crop]
        met, shared = np.unique(under[under > 0], return_counts=True)
        objects = np.searchsorted(ids, met)
        overlaps.append((objects, shared / (mask.area + areas[objects] - shared)))
    recalls = []
    for threshold in thresholds:
        free = np.ones(len(ids), bool)
        for objects, iou in overlaps:
            fits = np.flatnonzero((iou >= threshold) & free[objects])
            if fits.size:
                free[objects[fits[iou[fits].argmax()]]] = False
        recalls.append(1 - free.mean())
    return float(np.mean(recalls))


def _check(labels: ArrayLike, name: str) -> NDArray[Any]:
    """Refuse what is no label image."""
    array = np.asarray(labels)
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind not in "ui":
        raise EvaluationError(f"{name} must hold whole numbers; got type {array.dtype}.")
    if array.size and array.min() < 0:
        raise EvaluationError(f"{name} hold negative numbers; 0 is the background.")
    return array
