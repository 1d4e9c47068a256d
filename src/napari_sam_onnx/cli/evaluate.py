"""``evaluate``: a label image against a truth."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from napari_sam_onnx.evaluate import evaluate_labels
from napari_sam_onnx.picture_file import read_picture


def evaluate(
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="The label image to judge.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="The label image to compare to.")],
) -> None:
    """Match the objects of a label image to those of a truth and print how well they fit."""
    result = evaluate_labels(
        np.asarray(read_picture(labels).array), np.asarray(read_picture(truth).array)
    )
    half = result.at(0.5)
    rows = [
        ("objects found", str(half.found)),
        ("objects in the truth", str(half.expected)),
        ("matched at IoU 0.5", str(half.true_positives)),
        ("false positives", str(half.false_positives)),
        ("missed", str(half.false_negatives)),
        ("F1 at IoU 0.5", f"{half.f1:.3f}"),
        ("AP at IoU 0.5", f"{half.average_precision:.3f}"),
        ("AP at IoU 0.75", f"{result.at(0.75).average_precision:.3f}"),
        ("mSA (IoU 0.5 to 0.95)", f"{result.msa:.3f}"),
        ("mean IoU of the matched", f"{half.mean_iou:.3f}"),
    ]
    for name, value in rows:
        print(f"{name:24} {value:>6}")
