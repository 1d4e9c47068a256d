"""What *Look closer* brings: clicks and boxes on objects that a model sees small.

    python -m benchmarks.look_closer --data DATA [--model pebble]

DATA as in ``benchmarks/outline_style.py``; pictures that the embedded model was not trained on. A
picture counts where the dock would advise a closer look: where the median diameter of its objects
is less than 16 pixels of the encoder's input. Since few pictures hold such small objects, each is
also shown smaller, with the truth, so that the median is 12, 8 and 5 pixels (no picture enlarged).
Mean IoU with the truth as the dock answers, and as it answers for the median diameter.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from skimage.transform import resize

import napari_sam_onnx as nso
from benchmarks.held_out import WAYS, ask, read_held_out
from benchmarks.timing import print_table
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.masks.mask import Mask, measure_iou
from napari_sam_onnx.plugin.editing.scale_advice import SMALL
from napari_sam_onnx.prompting.segmenter import answer_plane
from napari_sam_onnx.prompting.style import Style

SEEN = (12.0, 8.0, 5.0)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=2, help="of a kind, at most")
    parser.add_argument("--objects", type=int, default=10, help="of a picture, at most")
    options = parser.parse_args()
    model = nso.load_model(options.model)
    found: dict[tuple[str, str, bool], list[float]] = defaultdict(list)
    kinds: dict[str, set[str]] = defaultdict(set)
    for picture in read_held_out(options.data, options.pictures):
        cache = EmbeddingCache()
        embedding = encode_through(picture.image, model, cache)
        own = max(embedding.input_shape) / max(embedding.plane_shape)
        seen = median_diameter(picture.labels) * own
        cases = [("as it is", picture.image, picture.labels)] if seen < SMALL else []
        for wanted in SEEN:
            # A model of free size shows a small plane enlarged: what counts is what it sees.
            if seen > wanted:
                cases.append((f"{wanted:g} px", *shrink(picture, wanted / seen)))
        for case, rgb, labels in cases:
            kinds[case].add(picture.kind)
            for key, value in measure(model, rgb, labels, options.objects):
                found[case, *key].append(value)
    rows = []
    for case in ("as it is", *(f"{wanted:g} px" for wanted in SEEN)):
        if kinds[case]:
            scores = [np.mean(found[case, way, closer]) for way in WAYS for closer in (False, True)]
            count = len(found[case, "click", True])
            rows.append([case, str(len(kinds[case])), str(count), *(f"{s:.3f}" for s in scores)])
    print_table(["seen at", "kinds", "objects", "click", "closer", "box", "closer"], rows)


def median_diameter(labels) -> float:
    """Of the objects, as discs of their area."""
    areas = np.bincount(labels.ravel())[1:]
    return float(np.median(2 * np.sqrt(areas[areas > 0] / np.pi)))


def shrink(picture, ratio: float):
    """Show a picture smaller on a plane of its size, so that the model's scale stays."""
    height, width = picture.labels.shape
    small = max(8, round(height * ratio)), max(8, round(width * ratio))
    rgb = resize(picture.image, small, preserve_range=True, anti_aliasing=True)
    labels = resize(picture.labels, small, order=0, preserve_range=True, anti_aliasing=False)
    tiles = -(-height // small[0]), -(-width // small[1])
    rgb = np.tile(rgb.round().astype(np.uint8), (*tiles, 1))[:height, :width]
    placed = np.zeros((height, width), labels.dtype)
    placed[: small[0], : small[1]] = labels
    return np.ascontiguousarray(rgb), placed


def measure(model, rgb, labels, most: int):
    """Answer about some objects, without a diameter and for the median one."""
    cache = EmbeddingCache()
    embedding = encode_through(rgb, model, cache)
    ids = [int(i) for i in np.unique(labels)[1:] if (labels == i).sum() >= 6]
    diameter = median_diameter(labels)
    for label in np.random.default_rng(0).permutation(ids)[:most]:
        truth = Mask.from_array(labels == label)
        for way in WAYS:
            for closer in (False, True):
                style = Style(diameter=diameter if closer else 0.0)
                prompts = [ask(truth, way)]
                mask = answer_plane(model, embedding, prompts, style, lambda: rgb, cache)[0]
                yield (way, closer), measure_iou(mask, truth)


if __name__ == "__main__":
    main()
