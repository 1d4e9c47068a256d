"""Two kinds of objects on one plane, told apart from a few examples of one of them.

Examples say what is looked for, and what has been found says what else there is. From a first guess
a linear discriminant is fitted to both, decides anew, and so on until nothing changes. Only what
then lies clearly apart is taken for two kinds: one kind is never cut in two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.taught.looks import compare_with_rest, normalize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.taught.looks import Looks

GLOW = 4.0
"""Weight of the brightness, where each of the model's maps has 1."""

FEWEST = 40
"""Objects below which a plane does not say of how many kinds they are."""

LEAST_OF_A_KIND = 3

GUESS = 0.6
"""Cosine to the examples from which on an object is taken for one of them at first, at most."""

ROUNDS = 8

RIDGE = 2.0
"""Part of the mean variance within a kind that is added to that in every direction."""

APART = 5.0
"""Distance of the kinds in units of their spread (Ashman's D) from which on they are two. Planes of
two kinds gave 5.9 to 7.9, planes of one kind, cut as well as can be, 2 to 4.5."""

AGREE = 0.9
"""Part of the examples, and of the counter-examples, that must lie on their side."""

SPREAD = 0.15
"""Least spread of the brightness of objects."""


def tell_apart(
    objects: Looks, like: Looks, unlike: Looks, chosen: NDArray[np.intp]
) -> NDArray[np.float64] | None:
    """Tell the kind of the examples from the other kind of objects on a plane.

    Parameters
    ----------
    objects, like, unlike : Looks
        N objects; examples, at least one; counter-examples.
    chosen : (M,) intp
        The objects from which the kinds are learned.

    Returns
    -------
    (N,) float64 or None
        1 at the mean of the examples' kind, 0 at that of the other, 0.5 between them. None where
        the objects are of one kind, or of kinds that the examples do not follow.

    Notes
    -----
    Fisher's linear discriminant, the covariance regularised by a multiple of the identity; Ashman,
    Bird & Zepf (1994), "Detecting bimodality in astronomical datasets", for the distance.
    """
    if len(chosen) < FEWEST:
        return None
    glow = objects.glow[chosen]
    middle, spread = glow.mean(axis=0), glow.std(axis=0) + SPREAD
    every, wanted, others = (
        np.concatenate([one.seen[:, :-3], GLOW / np.sqrt(3) * (one.glow - middle) / spread], axis=1)
        for one in (objects, like, unlike)
    )
    rows = every[chosen]
    inside = normalize(rows) @ normalize(wanted.mean(axis=0)) >= _guess_limit(wanted)
    for _ in range(ROUNDS):
        if min(np.count_nonzero(inside), np.count_nonzero(~inside)) < LEAST_OF_A_KIND:
            return None
        weights, bias = _fit_discriminant(
            np.concatenate([wanted, rows[inside]]), np.concatenate([others, rows[~inside]])
        )
        score = rows @ weights + bias
        before, inside = inside, score >= 0.5
        if (inside == before).all():
            break
    if min(np.count_nonzero(inside), np.count_nonzero(~inside)) < LEAST_OF_A_KIND:
        return None
    distance = score[inside].mean() - score[~inside].mean()
    if distance < APART * np.sqrt((score[inside].var() + score[~inside].var()) / 2):
        return None
    sides = [wanted @ weights + bias >= 0.5, others @ weights + bias < 0.5]
    if any(len(side) and side.mean() < AGREE for side in sides):
        return None
    kind: NDArray[np.float64] = every @ weights + bias
    return kind


def _guess_limit(examples: NDArray[np.float64]) -> float:
    """Say how alike an object is to be at first: as the example but one that is least alike."""
    if len(examples) < 3:
        return GUESS
    alike = np.sort(compare_with_rest(examples))
    return min(GUESS, float(alike[int(len(examples) > 4)]))


def _fit_discriminant(
    wanted: NDArray[np.float64], others: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Fit weights and bias, so that the score is 1 at the mean of one kind and 0 of the other."""
    top, bottom = wanted.mean(axis=0), others.mean(axis=0)
    within = np.concatenate([wanted - top, others - bottom])
    covariance = within.T @ within / len(within)
    covariance += (RIDGE * np.trace(covariance) / len(covariance) + 1e-9) * np.eye(len(covariance))
    weights = np.linalg.solve(covariance, top - bottom)
    length = float((top - bottom) @ weights)
    weights = weights / (length or 1.0)
    return weights, -float(bottom @ weights)
