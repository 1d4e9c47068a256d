"""Find what looks like a few examples: features of an embedding inside each mask, compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.arguments import as_numbers
from napari_sam_onnx.automatic.generate import find_masks, load
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.labels.label_image import paint_masks
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.pictures.image import to_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.automatic.kept.mask_set import MaskSet
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel

OCTAVES = 1.0
"""Difference in diameter, in powers of two, at which an object is three fifths as similar."""


CHANNELS = 8
"""Maps of fewer channels say where objects are, not what they look like."""

COLOR = 2.0
"""Weight of the colour inside, where each of the model's maps has 1."""

FLAT = 0.02
"""Part of the range of brightness below which differences of colour are noise."""


ALIKE = 0.6
"""Cosine between an example and the others at which they are as alike as is ever asked."""

FEW = 3
"""Examples below which they say nothing of how alike they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Similar:
    """Candidates and how much they look like the examples.

    Parameters
    ----------
    found : MaskSet
        The candidates.
    similarity : (N,) float64
        At most 1; see `compare_features`.
    """

    found: MaskSet
    similarity: NDArray[np.float64]

    def choose(self, least: float = 0.5, **limits: float) -> list[Mask]:
        """Choose the candidates that are at least so similar, the most similar first.

        Parameters
        ----------
        least : float
        **limits
            Of the run's selection that are to be others, see `MaskSet.choose`.
        """
        kept = self.found.indices(self.found.selection.change(**limits))
        near = kept[self.similarity[kept] >= least]
        order = near[np.argsort(-self.similarity[near], kind="stable")]
        return [self.found.masks[i] for i in order]

    def paint(self, least: float = 0.5, **limits: float) -> NDArray[np.uint32]:
        """Paint what `choose` chooses; the most similar has the label 1."""
        return paint_masks(self.choose(least, **limits), self.found.shape)


def find_similar(
    image: Any,
    model: Model | str,
    labels: ArrayLike,
    examples: Sequence[int] | None = None,
    unlike: Sequence[int] = (),
    mode: str | None = None,
    *,
    axes: str | None = None,
    channels: Sequence[Channel] | None = None,
    others: Any = None,
    progress: Callable[[int, int], None] | None = None,
    cache: EmbeddingStore | None = None,
    **parameters: Any,
) -> Similar:
    """Find the objects of a plane that look like examples.

    Parameters
    ----------
    image, model, mode, axes, channels, progress, cache, **parameters
        See `napari_sam_onnx.find_masks`.
    labels : (H, W) integer array-like
        Where the examples are, on ``image``.
    examples : sequence of int, optional
        Labels of what is looked for; all that are not ``unlike`` where omitted.
    unlike : sequence of int
        Labels of what is not looked for.
    others : array, optional
        Another plane to search, of the same axes, channels and pixel size; ``image`` where
        omitted.

    Returns
    -------
    Similar

    Raises
    ------
    ParameterError
        If there is no such label, or the sizes differ.
    """
    made = load(model)
    kept: EmbeddingStore = EmbeddingCache() if cache is None else cache
    rgb = to_rgb(image, axes, channels)
    shown = rgb if others is None else to_rgb(others, axes, channels)
    positive, negative = _read_examples(
        as_numbers(labels, "A label image is an array of numbers", ParameterError),
        rgb.shape[:2],
        examples,
        unlike,
    )
    found = find_masks(shown, made, mode, progress=progress, cache=kept, **parameters)
    given = [*positive, *negative]
    taught = describe_masks(encode_through(rgb, made, kept), rgb, given)
    features = describe_masks(encode_through(shown, made, kept), shown, found.masks)
    count = len(positive)
    similarity = compare_features(features, taught[:count], taught[count:])
    shown_areas = np.array([mask.area for mask in positive], np.float64)
    return Similar(found, similarity * compare_sizes(found.feature("area"), shown_areas))


def compare_sizes(areas: NDArray[np.float64], examples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compare the areas of objects (N,) with those of examples (K,): 1 within their range."""
    sizes = np.log2(np.sqrt(examples))
    octaves = np.log2(np.sqrt(np.maximum(1, areas)))
    beyond = np.maximum(0, np.maximum(sizes.min() - octaves, octaves - sizes.max()))
    near: NDArray[np.float64] = np.exp(-0.5 * (beyond / OCTAVES) ** 2)
    return near


def describe_masks(
    embedding: Embedding, rgb: NDArray[np.uint8], masks: Sequence[Mask]
) -> NDArray[np.float64]:
    """Describe masks by what the model and the eye see inside.

    Parameters
    ----------
    embedding : Embedding
        Of the plane; its maps of at least `CHANNELS` channels are taken.
    rgb : (H, W, 3) uint8
        The plane as the model saw it.
    masks : sequence of N Mask
        Not empty.

    Returns
    -------
    (N, D) float64
        Each map's channels, averaged inside the mask, minus the channel's mean over the plane,
        over its standard deviation there; each map weighs alike, the colour `COLOR` times as much.

    Raises
    ------
    ParameterError
        If the embedding holds no such map.
    """
    tensors = [np.asarray(t) for t in embedding.tensors.values() if np.ndim(t) == 4]
    maps = [tensor[0] for tensor in tensors if tensor.shape[1] >= CHANNELS]
    if not maps:
        raise ParameterError("The model's embedding holds no map of features to compare.")
    parts = [_pool_map(values, embedding, masks) / np.sqrt(len(values)) for values in maps]
    colors = rgb.reshape(-1, 3) / 255
    middle, spread = colors.mean(axis=0), colors.std(axis=0) + FLAT
    inside = [rgb[mask.slices][mask.crop].reshape(-1, 3).mean(axis=0) / 255 for mask in masks]
    shown = (np.array(inside).reshape(-1, 3) - middle) / spread
    return np.concatenate([*parts, COLOR * shown / np.sqrt(3)], axis=1)


def _pool_map(
    maps: NDArray[Any], embedding: Embedding, masks: Sequence[Mask]
) -> NDArray[np.float64]:
    """Average (C, h, w) maps inside each mask, relative to the plane: (N, C)."""
    stride = max(embedding.input_shape) / max(maps.shape[1:])
    stride = 2.0 ** max(0, round(np.log2(stride)))  # what is padded makes it seem smaller
    cell = stride * np.array(embedding.plane_shape) / np.array(embedding.input_shape)
    sides = [int(np.ceil(n / c)) for n, c in zip(embedding.plane_shape, cell, strict=True)]
    maps = maps[:, : max(1, sides[0]), : max(1, sides[1])].astype(np.float64)
    flat = maps.reshape(len(maps), -1)
    middle, spread = flat.mean(axis=1), flat.std(axis=1) + 1e-6
    pooled = np.zeros((len(masks), len(maps)))
    for number, mask in enumerate(masks):
        y, x = np.nonzero(mask.crop)
        rows = np.clip((y + mask.origin[0] + 0.5) / cell[0], 0, maps.shape[1] - 1).astype(int)
        columns = np.clip((x + mask.origin[1] + 0.5) / cell[1], 0, maps.shape[2] - 1).astype(int)
        places, weights = np.unique(rows * maps.shape[2] + columns, return_counts=True)
        pooled[number] = (flat[:, places] @ (weights / weights.sum()) - middle) / spread
    return pooled


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
    units = _normalize(features)
    similarity: NDArray[np.float64] = units @ _normalize(examples.mean(axis=0, keepdims=True))[0]
    if len(unlike):
        nearest = (units @ _normalize(examples).T).max(axis=1)
        worst = (units @ _normalize(unlike).T).max(axis=1)
        similarity = np.where(worst > nearest, np.minimum(similarity, nearest) - worst, similarity)
    return 1 - (1 - similarity) * 0.5 / (1 - _find_least(examples))


def _find_least(examples: NDArray[np.float64]) -> float:
    """Find how much an example is like the others that is least like them; at most `ALIKE`."""
    if len(examples) < FEW:
        return 0.5
    others = (examples.sum(axis=0) - examples) / (len(examples) - 1)
    alike = (_normalize(examples) * _normalize(others)).sum(axis=1)
    return min(ALIKE, float(alike.min()))


def _normalize(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-12)
    return unit


def _read_examples(
    labels: NDArray[Any],
    plane_shape: tuple[int, ...],
    examples: Sequence[int] | None,
    unlike: Sequence[int],
) -> tuple[list[Mask], list[Mask]]:
    """Cut the examples out of a label image."""
    if labels.shape != plane_shape:
        raise ParameterError(
            f"The examples have the shape {labels.shape} and the plane {plane_shape}; they must be "
            "of one size."
        )
    there = set(np.unique(labels).tolist()) - {0}
    wanted = sorted(there - set(unlike)) if examples is None else list(examples)
    for label in (*wanted, *unlike):
        if label not in there:
            raise ParameterError(f"There is no label {label} among the examples.")
    if not wanted:
        raise ParameterError("There is no example; name at least one label.")
    return (
        [Mask.from_array(labels == label) for label in wanted],
        [Mask.from_array(labels == label) for label in unlike],
    )
