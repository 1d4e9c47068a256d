"""How well one click and one box are answered, by model and kind of picture.

    python -m benchmarks.prompt_accuracy --data DATA pebble ENCODER.onnx,DECODER.onnx

DATA is the folder that ``training/data.py`` reads (opencv-python-headless is needed); only
pictures are measured that the embedded model was not trained on (``training/split.toml``, split
"final"). The click falls on the point of an object that is farthest from its border. A model is
an id of the catalogue, or its files with commas between them.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

import napari_sam_onnx as nso
from benchmarks.held_out import WAYS, ask, read_held_out
from benchmarks.timing import print_table
from napari_sam_onnx.masks.mask import Mask, measure_iou


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=6, help="of a kind, at most")
    parser.add_argument("--objects", type=int, default=12, help="of a picture, at most")
    options = parser.parse_args()
    pictures = read_held_out(options.data, options.pictures)
    ious: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for source in options.models:
        model = nso.load_model(tuple(source.split(",")) if "," in source else source)
        for picture in pictures:
            segmenter = nso.Segmenter(model)
            started = time.perf_counter()
            segmenter.set_rgb(picture.image)
            seconds[source].append(time.perf_counter() - started)
            ids = np.unique(picture.labels)[1:]
            for number in np.random.default_rng(0).permutation(ids)[: options.objects]:
                truth = Mask.from_array(picture.labels == number)
                for way in WAYS:
                    answer = segmenter.answer([ask(truth, way)])[0]
                    ious[source, picture.kind, way].append(measure_iou(answer, truth))
        model.close()
    columns = ["kind", "objects"]
    columns += [f"{Path(s.split(',')[0]).stem}, {p}" for s in options.models for p in WAYS]
    rows = [
        [kind, str(len(ious[options.models[0], kind, "click"]))]
        + [f"{np.mean(ious[s, kind, p]):.3f}" for s in options.models for p in WAYS]
        for kind in sorted({picture.kind for picture in pictures})
    ]
    means = np.mean([[float(cell) for cell in row[2:]] for row in rows], axis=0)
    rows.append(["mean of kinds", ""] + [f"{value:.3f}" for value in means])
    print_table(columns, rows)
    for source, spent in seconds.items():
        print(f"{source}: {np.median(spent):.3f} s to encode a picture, median")


if __name__ == "__main__":
    main()
