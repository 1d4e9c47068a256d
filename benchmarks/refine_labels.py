"""What refining labels brings where they are wrong in known ways, and costs where they are right.

    python -m benchmarks.refine_labels --data DATA [--model pebble]

DATA as in ``benchmarks/outline_style.py``; pictures that the embedded model was not trained on. The
true objects are spoilt by a tenth of the square root of their area: dilated, eroded, shifted along
both axes, or drawn in blocks twice as large; and left as they are. The mean IoU with the truth,
before and after `refine_labels`, as a mean over kinds of pictures.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import ndimage

import napari_sam_onnx as nso
from benchmarks.held_out import read_held_out
from benchmarks.timing import print_table
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.masks.mask import Mask, measure_iou


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=3, help="of a kind, at most")
    parser.add_argument("--objects", type=int, default=12, help="of a picture, at most")
    options = parser.parse_args()
    pictures = read_held_out(options.data, options.pictures)
    model = nso.load_model(options.model)
    before: dict[tuple[str, str], list[float]] = defaultdict(list)
    after: dict[tuple[str, str], list[float]] = defaultdict(list)
    taken: dict[str, list[bool]] = defaultdict(list)
    for picture in pictures:
        ids = np.random.default_rng(0).permutation(np.unique(picture.labels)[1:])
        cache = EmbeddingCache()  # each picture is encoded once
        for way in WAYS:
            spoilt = np.zeros(picture.labels.shape, np.int64)
            truths = {}
            for label in ids[: options.objects]:
                true = picture.labels == label
                wrong = spoil(true, way)
                if wrong.any():
                    spoilt[wrong & (spoilt == 0)] = label
                    truths[int(label)] = Mask.from_array(true)
            for refined in nso.refine_labels(picture.image, model, spoilt, cache=cache).objects:
                truth = truths[refined.label]
                before[picture.kind, way].append(measure_iou(refined.before, truth))
                after[picture.kind, way].append(measure_iou(refined.after, truth))
                taken[way].append(refined.taken)
    rows = []
    for way in WAYS:
        kinds = [kind for kind, name in before if name == way]
        was = np.mean([np.mean(before[kind, way]) for kind in kinds])
        gains = {kind: np.mean(after[kind, way]) - np.mean(before[kind, way]) for kind in kinds}
        worst = min(gains, key=lambda kind: gains[kind])
        now = was + np.mean(list(gains.values()))
        rows.append(
            [
                way,
                f"{was:.3f}",
                f"{now:.3f}",
                f"{np.mean(taken[way]):.2f}",
                f"{gains[worst]:+.3f} ({worst})",
            ]
        )
    print_table(["labels", "IoU before", "after", "taken", "worst kind"], rows)


def spoil(true, way: str):
    """Draw an object wrongly."""
    size = max(1, round(float(np.sqrt(true.sum())) / 10))
    if way == "dilated":
        return ndimage.binary_dilation(true, iterations=size)
    if way == "eroded":
        return ndimage.binary_erosion(true, iterations=size)
    if way == "shifted":
        return np.roll(true, (size, size), (0, 1))
    if way == "in blocks":
        block = np.kron(true[:: 2 * size, :: 2 * size], np.ones((2 * size, 2 * size), bool))
        return block[: true.shape[0], : true.shape[1]] & np.ones(true.shape, bool)
    return true


WAYS = ("right", "dilated", "eroded", "shifted", "in blocks")


if __name__ == "__main__":
    main()
