"""What the model and the eye see inside masks, as numbers that can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.automatic.settings.declare import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.masks.mask import Mask

CHANNELS = 8
"""Maps of fewer channels say where objects are, not what they look like."""

COLOR = 2.0
"""Weight of the colour inside, where each of the model's maps has 1."""

FLAT = 0.02
"""Part of the range of brightness below which differences of colour are noise."""

DARKEST = 5
"""Per cent of a plane's pixels that are darker than its ground is."""

GRAIN = 2.0
"""Least variation of a plane's ground, of 255."""

MOST_PIXELS = 2**20
"""So many of a plane's pixels, evenly spread, show what its ground is."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """How objects look.

    Parameters
    ----------
    seen : (N, D) float64
        What `describe_masks` gives; the last three are the colour.
    glow : (N, 3) float64
        The brightness inside in each channel above the plane's ground, in units of how much the
        ground varies, on a scale that is linear near the ground and logarithmic far above it: what
        hardly glows differs from what does not, and the brightest from that no more than it.
    areas : (N,) float64
        In pixels.
    """

    seen: NDArray[np.float64]
    glow: NDArray[np.float64]
    areas: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.areas)

    @classmethod
    def join(cls, parts: Sequence[Looks]) -> Looks:
        """Join the looks of objects of several planes, seen by one model."""
        return cls(
            np.concatenate([part.seen for part in parts]),
            np.concatenate([part.glow for part in parts]),
            np.concatenate([part.areas for part in parts]),
        )

    def take(self, rows: NDArray[np.intp] | Sequence[int]) -> Looks:
        """Take some of the objects."""
        chosen = np.asarray(rows, np.intp)
        return Looks(self.seen[chosen], self.glow[chosen], self.areas[chosen])


def look_at(embedding: Embedding, rgb: NDArray[np.uint8], masks: Sequence[Mask]) -> Looks:
    """Look at masks of a plane, see `describe_masks`."""
    step = max(1, round((rgb.shape[0] * rgb.shape[1] / MOST_PIXELS) ** 0.5))
    some = rgb[::step, ::step].reshape(-1, 3)
    ground, dark = np.percentile(some, (50, DARKEST), axis=0)
    unit = np.maximum(ground - dark, GRAIN)
    glow = np.arcsinh((_average_colors(rgb, masks) - ground) / unit)
    areas = np.array([mask.area for mask in masks], np.float64)
    return Looks(describe_masks(embedding, rgb, masks), glow, areas)


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
    shown = (_average_colors(rgb, masks) / 255 - middle) / spread
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


def _average_colors(rgb: NDArray[np.uint8], masks: Sequence[Mask]) -> NDArray[np.float64]:
    """Average the colour inside each mask: (N, 3), 0 to 255."""
    inside = [rgb[mask.slices][mask.crop].reshape(-1, 3).mean(axis=0) for mask in masks]
    return np.array(inside, np.float64).reshape(-1, 3)


def compare_with_rest(examples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of each of K >= 2 examples (K, D) to the mean of the others: (K,)."""
    others = (examples.sum(axis=0) - examples) / (len(examples) - 1)
    alike: NDArray[np.float64] = (normalize(examples) * normalize(others)).sum(axis=1)
    return alike


def normalize(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each row the length 1: (…, D)."""
    unit: NDArray[np.float64] = rows / (np.linalg.norm(rows, axis=-1, keepdims=True) + 1e-12)
    return unit
