"""Precision, recall and F1 of what is found by a few examples, beside no teaching.

    python -m benchmarks.similar_objects                                # the sample blobs
    python -m benchmarks.similar_objects --drawn 101 102                # others, drawn alike
    python -m benchmarks.similar_objects --data DATA --pictures 2       # held-out pictures by kind

Ten objects of the truth are the examples, drawn anew for each ``--seeds``; a found object counts
where its IoU with one of the truth is 0.3. Examples count among what is found.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_sam_onnx as nso
from benchmarks.held_out import read_held_out
from benchmarks.timing import print_table
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.evaluation.evaluate import evaluate_labels
from napari_sam_onnx.pictures.image import Channel, to_rgb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

EXAMPLES = 10
FEWEST = 20
SAMPLE = Path(__file__).parents[1] / "sample_data"


def read_blobs() -> Iterator[tuple[str, NDArray[np.uint8], NDArray[Any]]]:
    """Show the sample blobs with both channels, and with the second alone."""
    from skimage.io import imread

    picture, truth = imread(SAMPLE / "blobs.tif"), imread(SAMPLE / "blobs_truth.tif")
    yield "blobs, both channels", to_rgb(picture, "CYX"), truth
    yield "blobs, YFP", to_rgb(picture, "CYX", (Channel(1),)), truth


def draw_blobs(seeds: list[int]) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[Any]]]:
    """Draw other pictures as the sample blobs are drawn."""
    sys.path.insert(0, str(SAMPLE))
    from make import make_blobs

    for seed in seeds:
        picture, truth = make_blobs(seed)
        yield f"blobs of seed {seed}", to_rgb(picture, "CYX"), truth


def judge(labels: NDArray[Any], truth: NDArray[Any]) -> tuple[float, float, float]:
    """Return precision, recall and F1 at an IoU of 0.3."""
    matched = evaluate_labels(labels, truth, (0.3,)).at(0.3)
    return matched.precision, matched.recall, matched.f1


def main() -> None:
    """Print a row for each picture or kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pictures", type=int, default=1, help="of a kind, at most")
    parser.add_argument("--drawn", type=int, nargs="+", help="seeds of other blobs to draw")
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 0, 1])
    options = parser.parse_args()
    model = nso.load_model(options.model)
    if options.data is None:
        pictures = list(draw_blobs(options.drawn) if options.drawn else read_blobs())
    else:
        pictures = [
            (p.kind, p.image, p.labels) for p in read_held_out(options.data, options.pictures)
        ]
    plain, taught = defaultdict(list), defaultdict(list)
    for kind, rgb, truth in pictures:
        ids = np.unique(truth)
        ids = ids[ids > 0]
        if len(ids) < FEWEST:
            continue
        cache = EmbeddingCache()
        for seed in options.seeds:
            some = np.random.default_rng(seed).choice(ids, EXAMPLES, replace=False)
            found = nso.find_similar(rgb, model, truth, [int(i) for i in some], cache=cache)
            plain[kind].append(judge(found.found.paint(), truth))
            taught[kind].append(judge(found.paint(), truth))
            print("#", kind, seed, plain[kind][-1], taught[kind][-1], flush=True)
    rows = [
        [
            kind,
            *(
                f"{np.mean(side[kind], axis=0)[i]:.3f}"
                for side in (plain, taught)
                for i in range(3)
            ),
            f"{min(f1 for _, _, f1 in taught[kind]):.3f}",
        ]
        for kind in plain
    ]
    names = ("precision", "recall", "F1")
    print_table(["kind", *names, *(f"taught: {name}" for name in names), "worst draw"], rows)


if __name__ == "__main__":
    main()
