"""How many prompts are decoded, and how many objects are found.

    python -m benchmarks.decode_cost PICTURE.tif TRUTH.tif

Seconds are of processor time, and by the clock.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import napari_sam_onnx as nso
from benchmarks.modes import Count
from benchmarks.timing import print_table
from napari_sam_onnx.evaluation.evaluate import evaluate_labels
from napari_sam_onnx.pictures.image import Channel, infer_axes, to_rgb


def main() -> None:
    """Print a row for all channels mixed and one for the first alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--model", default="pebble")
    options = parser.parse_args()
    from skimage.io import imread

    picture, truth = imread(options.picture).squeeze(), imread(options.truth).squeeze()
    model, count, rows = nso.load_model(options.model), Count(), []
    for name, channels in (("mixed", None), ("first channel", (Channel(0),))):
        rgb = to_rgb(picture, infer_axes(picture.shape), channels)
        count.decodes, began, clock = 0, time.process_time(), time.perf_counter()
        labels = nso.automask(rgb, model)
        seconds, clock = time.process_time() - began, time.perf_counter() - clock
        half = evaluate_labels(labels, truth, (0.5,)).at(0.5)
        rows.append(
            [
                name,
                str(half.expected),
                str(count.decodes),
                str(labels.max()),
                f"{half.average_precision:.3f}",
                f"{seconds:.1f}",
                f"{clock:.1f}",
            ]
        )
        print("#", *rows[-1], flush=True)
    heads = ["channels", "objects", "decodes", "found", "AP@0.5", "seconds", "clock"]
    print_table(heads, rows)


if __name__ == "__main__":
    main()
