"""Measure what the package's smaller looks bring, kind by kind: clicks and boxes.

    python smaller.py --data DATA --simulated OTHER

Runs the package, not the reference: `prompting.looks`. *none*: the first answer; *doubtful*:
smaller looks for answers that are not sure; *large*: half the size for large objects too; *any
size*: what a smaller look is sure of counts however small it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from data import read_real, read_simulated
from evaluate import KINDS, deepest, iou

import napari_sam_onnx.prompting.looks as looks
from napari_sam_onnx.models import load_model
from napari_sam_onnx.prompting.segmenter import Segmenter
from napari_sam_onnx.prompts import make_prompts

RULES = {
    "none": (np.inf, 0.0, 0.0),
    "doubtful": (np.inf, looks.SURE, looks.TOO_LARGE),
    "any size": (looks.LARGE, looks.SURE, 0.0),
    "large": (looks.LARGE, looks.SURE, looks.TOO_LARGE),
}


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--simulated", type=Path, help="a cache made with another seed, measured too")
    p.add_argument("--pictures", type=int, default=8, help="per kind")
    p.add_argument("--objects", type=int, default=12, help="per picture")
    args = p.parse_args()
    model, count = load_model("pebble"), {}
    scores: dict[tuple[str, str], dict[str, list[float]]] = {}
    pictures = [q for q in read_real(args.data, "final") if q.held]
    pictures += read_simulated(args.simulated) if args.simulated else []
    for picture in pictures:
        count[picture.kind] = count.get(picture.kind, 0) + 1
        ids = np.flatnonzero(np.bincount(picture.labels.ravel()) >= 12)
        ids = np.sort(np.random.default_rng(0).permutation(ids[ids > 0])[: args.objects])
        if count[picture.kind] > args.pictures or not ids.size:
            continue
        asked: dict[str, list] = {"click": [], "box": []}
        truths = [picture.labels == i for i in ids]
        for truth in truths:
            (x, y), (ys, xs) = deepest(truth), np.nonzero(truth)
            box = (ys.min() - 0.5, xs.min() - 0.5, ys.max() + 0.5, xs.max() + 0.5)
            asked["click"].append(make_prompts([(y, x)], plane_shape=truth.shape))
            asked["box"].append(make_prompts(box=box, plane_shape=truth.shape))
        segmenter = Segmenter(model)
        segmenter.set_image(picture.image)
        for way, prompts in asked.items():
            row = scores.setdefault((way, picture.kind), {name: [] for name in RULES})
            for name, (looks.LARGE, looks.SURE, looks.TOO_LARGE) in RULES.items():
                answers = segmenter.answer(prompts)
                row[name] += [iou(np.asarray(a), t) for a, t in zip(answers, truths, strict=True)]
    print(f"| | kind | objects | {' | '.join(RULES)} |\n|-|-|-|{'-|' * len(RULES)}")
    for (way, kind), row in sorted(scores.items()):
        cells = " | ".join(f"{np.mean(v):.3f}" for v in row.values())
        print(f"| {way} | {KINDS.get(kind, kind)} | {len(row['none'])} | {cells} |")


if __name__ == "__main__":
    main()
