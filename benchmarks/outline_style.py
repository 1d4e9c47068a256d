"""What learning outlines and extent from accepted objects brings, by kind of picture.

    python -m benchmarks.outline_style --data DATA [pebble | ENCODER.onnx,DECODER.onnx]

DATA is the folder that ``training/data.py`` reads (opencv-python-headless is needed); only pictures
are measured that the embedded model was not trained on (``training/split.toml``, split "final").
Objects of a picture are asked about one after another, by a click at the point farthest from the
border, and by a box; each is then "accepted" as the truth has it, and the next ones are answered in
the style learnt so far. The mean IoU of all objects after the sixth, without and with the style.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

import napari_sam_onnx as nso
from benchmarks.held_out import WAYS, ask, read_held_out
from benchmarks.timing import print_table
from napari_sam_onnx.masks.mask import Mask, measure_iou
from napari_sam_onnx.prompting.style import LEAST_OBJECTS, StyleLearner, apply_style, compare_answer


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="pebble")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=5, help="of a kind, at most")
    parser.add_argument("--objects", type=int, default=25, help="of a picture, at most")
    options = parser.parse_args()
    pictures = read_held_out(options.data, options.pictures)
    source = options.model
    model = nso.load_model(tuple(source.split(",")) if "," in source else source)
    plain: dict[tuple[str, str], list[float]] = defaultdict(list)
    styled: dict[tuple[str, str], list[float]] = defaultdict(list)
    for picture in pictures:
        segmenter = nso.Segmenter(model)
        segmenter.set_rgb(picture.image)
        ids = np.random.default_rng(1).permutation(np.unique(picture.labels)[1:])
        for way in WAYS:
            learner = StyleLearner()
            for number, label in enumerate(ids[: options.objects]):
                truth = Mask.from_array(picture.labels == label)
                prompts = ask(truth, way)
                answer = segmenter.answer([prompts])[0]
                if number >= LEAST_OBJECTS:
                    plain[picture.kind, way].append(measure_iou(answer, truth))
                    shown = apply_style(answer, prompts, learner.style)
                    styled[picture.kind, way].append(measure_iou(shown, truth))
                agreement = compare_answer(answer.candidates, truth)
                if agreement is not None:
                    learner.learn(way, agreement)
    rows = []
    for kind in sorted({kind for kind, _ in plain}):
        row = [kind, str(len(plain[kind, "click"]))]
        for way in WAYS:
            before, after = np.mean(plain[kind, way]), np.mean(styled[kind, way])
            row += [f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}"]
        rows.append(row)
    means = np.mean([[float(cell) for cell in row[2:]] for row in rows], axis=0)
    signs = ("", "", "+") * len(WAYS)
    rows.append(["mean of kinds", "", *(f"{v:{s}.3f}" for v, s in zip(means, signs, strict=True))])
    print_table(
        ["kind", "objects"] + [f"{way}{n}" for way in WAYS for n in (", plain", ", learnt", "")],
        rows,
    )


if __name__ == "__main__":
    main()
