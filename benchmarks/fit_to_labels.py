"""What fitting settings to a labelled third of a picture brings on the other two thirds.

    python -m benchmarks.fit_to_labels --data FOLDER --pictures 3

FOLDER is as `benchmarks.learn_to_reject` takes it. AP at IoU 0.5 on the right two thirds, by
default and as fitted on the left one; means over the pictures of a group.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.io import imread

from benchmarks.learn_to_reject import list_groups
from benchmarks.timing import print_table
from napari_sam_onnx import automask, fit_settings, load_model
from napari_sam_onnx.evaluation.evaluate import average_precision
from napari_sam_onnx.pictures.image import to_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.models import Model


def measure(
    rgb: NDArray[np.uint8], model: Model, truth: NDArray[Any], left: int, settings: dict[str, Any]
) -> float:
    """Measure settings on what lies right of a column."""
    labels = automask(rgb, model, **settings)
    return float(average_precision(labels[:, left:], truth[:, left:], (0.5,))[0])


def main() -> None:
    """Print a row per group."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, nargs="+")
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--pictures", type=int, default=3, help="of a group at most")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    rows, means = [], []
    groups = {g: p for folder in arguments.data for g, p in sorted(list_groups(folder).items())}
    for group, paths in groups.items():
        pairs = []
        for path in paths[: arguments.pictures]:
            truth, rgb = imread(str(path).replace("_image", "_labels")), to_rgb(imread(path))
            left = rgb.shape[1] // 3
            part = np.zeros(truth.shape, bool)
            part[:, :left] = True
            if not truth[:, :left].any():
                continue
            fitted = fit_settings(rgb, model, truth, part)
            default = measure(rgb, model, truth, left, {})
            settings = dict(fitted.settings)
            pairs.append(
                (default, measure(rgb, model, truth, left, settings) if settings else default)
            )
        if pairs:
            means.append(np.mean(pairs, axis=0))
            rows.append([group, str(len(pairs)), *(f"{value:.3f}" for value in means[-1])])
    rows.append(["mean", "", *(f"{value:.3f}" for value in np.mean(means, axis=0))])
    print_table(["group", "pictures", "default", "fitted"], rows)


if __name__ == "__main__":
    main()
