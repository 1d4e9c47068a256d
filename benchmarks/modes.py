"""Automatic masks by mode and model, on held-out pictures and on the sample blobs.

    python -m benchmarks.modes --data DATA --pictures 1 --mobilesam encoder.onnx sam.onnx

DATA is the folder that ``training/data.py`` reads (opencv-python-headless is needed). Figures are
means of the kinds. AR@K is the average recall of the best rated K masks before they are painted.
MobileSAMv2 gives MobileSAM at most 320 boxes of a detector, takes one mask for each and suppresses
none; its detector's weights are not to be had, so that the boxes of what pebble finds, and those of
the truth, stand for it. Seconds are of processor time, decodes are prompts that were decoded.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import napari_sam_onnx as nso
from benchmarks.automask_accuracy import watershed_labels
from benchmarks.held_out import read_held_out
from benchmarks.timing import print_table
from napari_sam_onnx.evaluation.evaluate import THRESHOLDS, average_recall, evaluate_labels
from napari_sam_onnx.models.onnx.onnx_model import OnnxModel
from napari_sam_onnx.pictures.image import to_rgb

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask

    Find = Callable[[NDArray[np.uint8], NDArray[Any]], tuple[NDArray[Any], list[Mask] | None]]

PROPOSALS = (10, 100, 320)
MOST_BOXES = 320
SAMPLE = Path(__file__).parents[1] / "sample_data"


class Row(NamedTuple):
    """What a method reached on a picture."""

    ap: float
    msa: float
    f1: float
    recall: float
    proposals: tuple[float, ...]
    seconds: float
    decodes: int


class Count:
    """Counts the prompts that models decode."""

    def __init__(self) -> None:
        self.decodes = 0
        plain = OnnxModel.decode

        def decode(model: OnnxModel, embedding: Any, prompts: Any) -> Any:
            self.decodes += len(prompts)
            return plain(model, embedding, prompts)

        OnnxModel.decode = decode


def find(model: Any, mode: str | None, image: Any, truth: Any, **settings: Any) -> Any:
    """Find masks in a mode: labels, and the masks that they were painted of."""
    found = nso.find_masks(image, model, mode, **settings)
    return found.paint(), list(found.choose())


def refine_boxes(model: Any, detector: Any, image: Any, truth: Any) -> Any:
    """Find masks as MobileSAMv2 does, in boxes of a detector; of the truth where there is none."""
    if detector is None:
        boxes: Any = truth
    else:
        masks = sorted(nso.find_masks(image, detector).choose(), key=lambda mask: -mask.rating)
        boxes = np.array([np.subtract(mask.bbox, 0.5) for mask in masks[:MOST_BOXES]])
    return find(model, "boxes", image, truth, boxes=boxes.reshape(-1, 4) if detector else boxes)


def list_methods(mobilesam: list[Path] | None, side: int) -> dict[str, Find]:
    """Name what is compared."""
    pebble = nso.load_model("pebble")
    methods: dict[str, Find] = {
        "watershed": lambda image, truth: (watershed_labels(image), None),
        "pebble, what suits": partial(find, pebble, None),
        "pebble, blobs": partial(find, pebble, "blobs", polarity="both"),
    }
    if mobilesam:
        sam = nso.load_model(tuple(mobilesam))
        methods |= {
            "MobileSAM, blobs": partial(find, sam, "blobs", polarity="both", prompt="point+box"),
            "MobileSAM, boxes of pebble": partial(refine_boxes, sam, pebble),
            "MobileSAM, boxes of the truth": partial(refine_boxes, sam, None),
            f"MobileSAM, grid of {side}": partial(find, sam, "grid", points_per_side=side),
        }
    return methods


def read_pictures(data: Path, most: int) -> list[tuple[str, NDArray[np.uint8], NDArray[Any]]]:
    """Read pictures with truth by kind, and the sample blobs."""
    from skimage.io import imread

    pictures = [(p.kind, p.image, p.labels) for p in read_held_out(data, most)]
    blobs = to_rgb(imread(SAMPLE / "blobs.tif"), "CYX")
    return [*pictures, ("sample blobs", blobs, imread(SAMPLE / "blobs_truth.tif"))]


def measure(find: Find, image: Any, truth: Any, count: Count) -> Row:
    """Run a method on a picture."""
    count.decodes, began = 0, time.process_time()
    labels, masks = find(image, truth)
    seconds = time.process_time() - began
    evaluation = evaluate_labels(labels, truth, (0.3, *THRESHOLDS))
    half = evaluation.at(0.5)
    msa = float(np.mean([m.average_precision for m in evaluation.matchings[1:]]))
    recalls = () if masks is None else tuple(average_recall(masks, truth, k) for k in PROPOSALS)
    return Row(
        half.average_precision,
        msa,
        half.f1,
        evaluation.at(0.3).recall,
        recalls,
        seconds,
        count.decodes,
    )


def main() -> None:
    """Print a row for each method, and its AP@0.5 for each kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=1, help="of a kind, at most")
    parser.add_argument("--kinds", nargs="*", help="default: all")
    parser.add_argument("--mobilesam", type=Path, nargs=2, metavar=("ENCODER", "DECODER"))
    parser.add_argument("--side", type=int, default=32, help="clicks along a side of the grid")
    parser.add_argument("--methods", nargs="*", help="beginnings of names; default: all")
    options = parser.parse_args()
    count = Count()
    pictures = read_pictures(options.data, options.pictures)
    if options.kinds:
        pictures = [one for one in pictures if one[0] in options.kinds]
    rows, by_kind = [], {}
    for name, method in list_methods(options.mobilesam, options.side).items():
        if options.methods and not name.startswith(tuple(options.methods)):
            continue
        reached: dict[str, list[Row]] = defaultdict(list)
        for kind, image, truth in pictures:
            reached[kind].append(measure(method, image, truth, count))
            print(f"# {name}, {kind}: {reached[kind][-1]}", flush=True)
        every = [row for some in reached.values() for row in some]
        quality = [
            np.mean([np.mean([row[i] for row in some]) for some in reached.values()])
            for i in range(4)
        ]
        proposals = np.mean([row.proposals for row in every], axis=0) if every[0].proposals else ()
        rows.append(
            [name, *(f"{value:.3f}" for value in quality)]
            + ([f"{value:.3f}" for value in proposals] or ["–"] * len(PROPOSALS))
            + [f"{np.median([row.seconds for row in every]):.1f}"]
            + [f"{np.median([row.decodes for row in every]):.0f}"]
        )
        by_kind[name] = {kind: np.mean([row.ap for row in some]) for kind, some in reached.items()}
        print(" | ".join(rows[-1]), flush=True)
    heads = ["model, mode", "AP@0.5", "mSA", "F1", "recall@0.3"]
    heads += [f"AR@{k}" for k in PROPOSALS] + ["median s", "median decodes"]
    print_table(heads, rows)
    kinds = sorted({kind for kind, _, _ in pictures})
    print_table(
        ["AP@0.5", *by_kind], [[k, *(f"{v[k]:.2f}" for v in by_kind.values())] for k in kinds]
    )


if __name__ == "__main__":
    main()
