"""How much objects look like examples: by features, by size, by which of two kinds they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.taught.kinds import tell_apart
from napari_sam_onnx.automatic.taught.looks import compare_with_rest, normalize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.taught.looks import Looks

OCTAVES = 1.0
"""Difference in diameter, in powers of two, at which an object is three fifths as similar."""

ALIKE = 0.6
"""Cosine between an example and the others at which they are as alike as is ever asked."""

FEW = 3
"""Examples below which they say nothing of how alike they are."""


def rate_similar(
    objects: Looks, like: Looks, unlike: Looks, chosen: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Rate objects of a plane by how much they are like examples.

    Parameters
    ----------
    objects, like, unlike : Looks
        N objects; examples, at least one; counter-examples.
    chosen : (M,) intp
        The objects that a run shows by itself; whether they are of two kinds is seen from them.

    Returns
    -------
    (N,) float64
        At most 1; from 0.5 on an object counts as similar. Where the plane's objects are of two
        kinds and the examples of one, which of them an object is (see `tell_apart`); else
        `compare_features`. Both less where an object is larger or smaller than any example.
    """
    near = compare_sizes(objects.areas, like.areas)
    kind = tell_apart(objects, like, unlike, chosen)
    if kind is not None:
        return np.minimum(np.minimum(1.0, kind), near)
    return compare_features(objects.seen, like.seen, unlike.seen) * near


def compare_features(
    features: NDArray[np.float64],
    examples: NDArray[np.float64],
    unlike: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Compare objects with examples.

    Parameters
    ----------
    features : (N, C) float64
    examples, unlike : (K, C), (L, C) float64

    Returns
    -------
    (N,) float64
        Cosine similarity to the mean of the examples; where an object is nearer to something
        that it is to be unlike than to every example, the difference is taken off. It is stretched
        so that 0.5 is where the example is that is least like the others, or `ALIKE`: examples
        that differ much let others differ as much.
    """
    units = normalize(features)
    similarity: NDArray[np.float64] = units @ normalize(examples.mean(axis=0, keepdims=True))[0]
    if len(unlike):
        nearest = (units @ normalize(examples).T).max(axis=1)
        worst = (units @ normalize(unlike).T).max(axis=1)
        similarity = np.where(worst > nearest, np.minimum(similarity, nearest) - worst, similarity)
    return 1 - (1 - similarity) * 0.5 / (1 - _find_least(examples))


def _find_least(examples: NDArray[np.float64]) -> float:
    """Find how much an example is like the others that is least like them; at most `ALIKE`."""
    if len(examples) < FEW:
        return 0.5
    return min(ALIKE, float(compare_with_rest(examples).min()))


def compare_sizes(areas: NDArray[np.float64], examples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compare the areas of objects (N,) with those of examples (K,): 1 within their range."""
    sizes = np.log2(np.sqrt(examples))
    octaves = np.log2(np.sqrt(np.maximum(1, areas)))
    beyond = np.maximum(0, np.maximum(sizes.min() - octaves, octaves - sizes.max()))
    near: NDArray[np.float64] = np.exp(-0.5 * (beyond / OCTAVES) ** 2)
    return near
