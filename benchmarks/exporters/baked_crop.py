"""What the ``masks`` of SAM 1 exports are worth: ``python -m benchmarks.exporters.baked_crop``.

segment-anything 1.0 freezes the crop of the picture that it was traced with, 683 × 1024, into
the graph. Prints, for each picture, the IoU of that output with the masks of the predictor:
once as the graph gives it, and once as our runner makes it from ``low_res_masks``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime as ort

from benchmarks.exporters.cases import PICTURE_SHAPES, list_cases, make_picture, measure_iou
from benchmarks.exporters.compare import read_answer
from benchmarks.exporters.make import DEFAULT_CACHE
from napari_sam_onnx import Segmenter, load_model


def main() -> None:
    """Print one row per picture, for a click."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", nargs="?", default="sam1-preprocess")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    arguments = parser.parse_args()
    folder = arguments.cache / arguments.family
    kept = np.load(folder / "answers.npz")
    model = load_model((folder / "encoder.onnx", folder / "decoder.onnx"), provider="cpu")
    decoder = ort.InferenceSession(folder / "decoder.onnx", providers=["CPUExecutionProvider"])
    segmenter = Segmenter(model)
    print("| picture | graph's own masks | ours |\n|-|-|-|")
    for name, shape in PICTURE_SHAPES.items():
        click = list_cases(name)[0]
        expected = read_answer(kept, f"{name}/{click.name}", shape[1]).masks
        embedding = segmenter.set_rgb(make_picture(shape))
        at = click.points[0, ::-1] * np.array(embedding.input_shape)[::-1] / np.array(shape)[::-1]
        feeds = {
            **embedding.tensors,
            "point_coords": np.array([[at, (0, 0)]], np.float32),
            "point_labels": np.array([[1, -1]], np.float32),
            "mask_input": np.zeros((1, 1, 256, 256), np.float32),
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.array(shape, np.float32),
        }
        theirs = decoder.run(["masks"], feeds)[0][0] > 0
        ours = [np.asarray(mask) for mask in segmenter.segment(click.points).candidates]
        print(
            f"| {name}, {shape[0]} × {shape[1]} "
            f"| {min(map(measure_iou, theirs, expected)):.3f} "
            f"| {min(map(measure_iou, ours, expected)):.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
