"""Recall of mode ``blobs`` by the size of blobs, on simulated ones.

    python -m benchmarks.blob_scales pebble ENCODER.onnx,DECODER.onnx

Ellipses of 4 to 40 px on 512 × 512 pixels with noise, bright or dark; recall at IoU 0.3;
seconds of processor.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

import napari_sam_onnx as nso
from benchmarks.modes import Count
from benchmarks.timing import print_table
from napari_sam_onnx.evaluation.evaluate import evaluate_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 512
BANDS = ((4, 8), (8, 16), (16, 40), (4, 40))
COUNT = 150


def draw_blobs(
    seed: int, dark: bool, side: int = SIDE, most: int = COUNT
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Draw ellipses that do not touch, sizes spread evenly over octaves: picture and truth."""
    random = np.random.default_rng(seed)
    picture, truth = np.zeros((side, side)), np.zeros((side, side), np.int32)
    y, x = np.ogrid[:side, :side]
    for _ in range(20 * most):
        number = int(truth.max()) + 1
        if number > most:
            break
        radius = np.exp(random.uniform(np.log(4), np.log(40))) / 2
        cy, cx = random.uniform(radius + 2, side - radius - 2, 2)
        stretch, turn = random.uniform(0.8, 1.25), random.uniform(0, np.pi)
        along = ((x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)) / (radius * stretch)
        across = ((y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)) / (radius / stretch)
        inside = along**2 + across**2 <= 1
        if inside.any() and not truth[inside].any():
            truth[inside], picture[inside] = number, random.uniform(0.35, 1)
    shown = gaussian_filter(picture, 0.8) + random.normal(0, 0.03, picture.shape)
    shown = (0.1 + 0.8 * (1 - shown if dark else shown)).clip(0, 1) * 255
    return np.repeat(shown.astype(np.uint8)[..., None], 3, axis=2), truth


def recall_in_bands(labels: NDArray[Any], truth: NDArray[np.int32]) -> list[float]:
    """Recall at IoU 0.3 of objects whose diameter lies in each of `BANDS`."""
    found = evaluate_labels(labels, truth, (0.3,)).at(0.3).truth
    diameters = np.sqrt(4 / np.pi * np.bincount(truth.ravel())[1:])
    hit = np.isin(np.arange(1, len(diameters) + 1), found)
    inside = [(diameters >= low) & (diameters <= high) for low, high in BANDS[:-1]]
    inside.append(np.ones_like(hit))
    return [float(hit[band].mean()) for band in inside]


def main() -> None:
    """Print a row for each model, prompt and polarity."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--side", type=int, default=SIDE, help="of the picture, in pixels")
    parser.add_argument("--count", type=int, default=COUNT, help="ellipses, at most")
    options = parser.parse_args()
    count, rows = Count(), []
    for source in options.models:
        model = nso.load_model(tuple(source.split(",")) if "," in source else source)
        for dark in (False, True):
            rgb, truth = draw_blobs(options.seed, dark, options.side, options.count)
            find = partial(nso.automask, rgb, model, "blobs")
            for prompt in ("point", "point+box"):
                count.decodes, began = 0, time.process_time()
                labels = find(polarity="dark" if dark else "bright", prompt=prompt)
                seconds = f"{time.process_time() - began:.1f}"
                recalls = [f"{recall:.3f}" for recall in recall_in_bands(labels, truth)]
                made = [str(int(truth.max())), str(count.decodes), str(int(labels.max()))]
                rows.append(
                    [model.id, "dark" if dark else "bright", prompt, *recalls, *made, seconds]
                )
                print("#", *rows[-1], flush=True)
    heads = ["model", "blobs", "prompt", *(f"{a} to {b} px" for a, b in BANDS)]
    print_table([*heads, "objects", "decodes", "found", "s"], rows)


if __name__ == "__main__":
    main()
