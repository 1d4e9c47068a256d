"""What prompts at the peaks of the map of similarity would add to what is found by examples.

    python -m benchmarks.similar_peaks --data DATA --kind codex

One held-out picture of a kind, ten examples drawn anew for each ``--seeds``; matches at IoU 0.3.
Peaks lie where the model's finest map is most like the examples and nothing was found. Beside
them stand the doubtful masks that the run has already, at lower ratings.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

import napari_sam_onnx as nso
from benchmarks.held_out import read_held_out
from benchmarks.similar_objects import EXAMPLES, judge
from benchmarks.timing import print_table
from napari_sam_onnx.automatic.finders.decode import Filter, iterate_prompts
from napari_sam_onnx.automatic.taught.compare import rate_similar
from napari_sam_onnx.automatic.taught.looks import look_at
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.generators import drive
from napari_sam_onnx.labels.label_image import paint_masks
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.prompting.scales import SEEN_DIAMETER, AtScale
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Embedding

ALIKE, RATED = 0.5, 0.5
"""Least similarity and predicted IoU of an answer to a peak."""

MOST_ENLARGED = 2.0


def find_peaks(embedding: Embedding, examples: list[Mask], taken: NDArray[Any]) -> NDArray[Any]:
    """Find where the finest map is most like the examples and nothing was found: (N, 2)."""
    from skimage.feature import peak_local_max

    maps = [np.asarray(t)[0] for t in embedding.tensors.values() if np.ndim(t) == 4]
    finest = max((m for m in maps if len(m) >= 8), key=lambda m: m.shape[1]).astype(float)
    stride = 2.0 ** max(0, round(np.log2(max(embedding.input_shape) / max(finest.shape[1:]))))
    cell = stride * np.array(embedding.plane_shape) / np.array(embedding.input_shape)
    high, wide = np.ceil(np.array(embedding.plane_shape) / cell).astype(int)
    finest = finest[:, :high, :wide]
    spread = finest.std((1, 2), keepdims=True) + 1e-6
    finest = (finest - finest.mean((1, 2), keepdims=True)) / spread
    wanted = []
    for mask in examples:
        places = ((np.argwhere(mask.crop) + mask.origin + 0.5) / cell).astype(int)
        y, x = np.minimum(places, np.array(finest.shape[1:]) - 1).T
        wanted.append(finest[:, y, x].mean(axis=1))
    mean = np.mean(wanted, axis=0)
    lengths = np.linalg.norm(mean) * np.linalg.norm(finest, axis=0) + 1e-9
    diameter = np.sqrt(4 / np.pi * np.median([mask.area for mask in examples])) / cell.mean()
    alike = gaussian_filter(np.tensordot(mean, finest, 1) / lengths, diameter / 6)
    apart = max(1, int(diameter / 3))
    peaks = peak_local_max(alike, min_distance=apart, threshold_abs=0.3, exclude_border=False)
    points = (peaks + 0.5) * cell - 0.5
    y, x = np.clip(np.round(points).astype(int), 0, np.array(taken.shape) - 1).T
    free: NDArray[Any] = points[taken[y, x] == 0]
    return free


def main() -> None:
    """Print a row for each way, the mean over the draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kind", default="codex")
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 0, 1])
    options = parser.parse_args()
    model = nso.load_model(options.model)
    picture = next(p for p in read_held_out(options.data, 1) if p.kind == options.kind)
    rgb, truth, cache = picture.image, picture.labels, EmbeddingCache()
    ids = np.unique(truth)[1:]
    reached: dict[str, list[tuple[float, ...]]] = {}
    counts = []
    for seed in options.seeds:
        some = np.random.default_rng(seed).choice(ids, EXAMPLES, replace=False)
        found = nso.find_similar(rgb, model, truth, [int(i) for i in some], cache=cache)
        least = found.found.selection.min_rating
        base = found.choose(min_rating=least)
        painted = paint_masks(base, truth.shape)
        examples = [Mask.from_array(truth == i) for i in some]
        diameter = np.sqrt(4 / np.pi * np.median([mask.area for mask in examples]))
        closer = AtScale(model, float(np.clip(SEEN_DIAMETER / diameter, 1, MOST_ENLARGED)))
        embedding = encode_through(rgb, closer, cache)
        peaks = find_peaks(embedding, examples, painted)
        prompts = [make_prompts([tuple(peak)], plane_shape=truth.shape) for peak in peaks]
        new = drive(iterate_prompts(closer, embedding, prompts, 64, Filter(RATED, 0, 5)))
        plain = encode_through(rgb, model, cache)
        wanted = look_at(plain, rgb, examples)
        looks = look_at(plain, rgb, [*base, *new])
        alike = rate_similar(looks, wanted, wanted.take([]), np.arange(len(base)))[len(base) :]
        masks, occupied = list(base), painted > 0
        for number in np.argsort([-mask.predicted_iou for mask in new]):
            mask = new[number]
            if alike[number] >= ALIKE and occupied[mask.slices][mask.crop].mean() <= 0.3:
                masks.append(mask)
                occupied[mask.slices] |= mask.crop
        ways = {
            "rating of the run": painted,
            "peaks beside": paint_masks(masks, truth.shape),
            "rating 0.5": found.paint(min_rating=0.5),
            "as it comes": found.paint(),
        }
        counts.append(len(peaks))
        for way, labels in ways.items():
            reached.setdefault(way, []).append(judge(labels, truth))
    print(f"{model.id}, {options.kind}, {len(ids)} objects, peaks beside: {counts}")
    rows = [[way, *(f"{v:.3f}" for v in np.mean(some, axis=0))] for way, some in reached.items()]
    print_table(["way", "precision", "recall", "F1"], rows)


if __name__ == "__main__":
    main()
