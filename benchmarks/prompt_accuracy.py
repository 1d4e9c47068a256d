"""How well one click and one box are answered, by model and kind of picture.

    python -m benchmarks.prompt_accuracy --data DATA pebble ENCODER.onnx,DECODER.onnx

DATA is the folder that ``training/data.py`` reads (opencv-python-headless is needed); only
pictures are measured that the embedded model was not trained on (``training/split.toml``, split
"final"). The click falls on the point of an object that is farthest from its border. A model is
an id of the catalogue, or its files with commas between them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

import napari_sam_onnx as nso
from benchmarks.timing import print_table
from napari_sam_onnx.masks import Mask, measure_iou
from napari_sam_onnx.prompts import make_prompts

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from data import read_real


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=6, help="of a kind, at most")
    parser.add_argument("--objects", type=int, default=12, help="of a picture, at most")
    options = parser.parse_args()
    pictures = defaultdict(list)
    for picture in read_real(options.data, "final"):
        if picture.held and picture.labels.any():
            pictures[picture.kind].append(picture)
    ious: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for source in options.models:
        model = nso.load_model(tuple(source.split(",")) if "," in source else source)
        for kind, some in pictures.items():
            step = max(1, len(some) // options.pictures)
            for picture in some[::step][: options.pictures]:
                segmenter = nso.Segmenter(model)
                started = time.perf_counter()
                segmenter.set_rgb(picture.image)
                seconds[source].append(time.perf_counter() - started)
                ids = np.unique(picture.labels)[1:]
                for number in np.random.default_rng(0).permutation(ids)[: options.objects]:
                    truth = Mask.from_array(picture.labels == number)
                    inside = distance_transform_edt(np.pad(truth.crop, 1))[1:-1, 1:-1]
                    spot = np.unravel_index(int(inside.argmax()), inside.shape)
                    point = tuple(np.add(spot, truth.origin))
                    box = np.subtract(truth.bbox, 0.5)
                    shape = truth.shape
                    asked = (
                        ("click", make_prompts([point], plane_shape=shape)),
                        ("box", make_prompts(box=box, plane_shape=shape)),
                    )
                    for name, prompts in asked:
                        answer = segmenter.answer([prompts])[0]
                        ious[source, kind, name].append(measure_iou(answer, truth))
        model.close()
    columns = ["kind", "objects"]
    columns += [f"{Path(s.split(',')[0]).stem}, {p}" for s in options.models for p in WAYS]
    rows = [
        [kind, str(len(ious[options.models[0], kind, "click"]))]
        + [f"{np.mean(ious[s, kind, p]):.3f}" for s in options.models for p in WAYS]
        for kind in sorted(pictures)
    ]
    means = np.mean([[float(cell) for cell in row[2:]] for row in rows], axis=0)
    rows.append(["mean of kinds", ""] + [f"{value:.3f}" for value in means])
    print_table(columns, rows)
    for source, spent in seconds.items():
        print(f"{source}: {np.median(spent):.3f} s to encode a picture, median")


WAYS = ("click", "box")


if __name__ == "__main__":
    main()
