"""How good automatic masks are on pictures with a truth.

    python -m benchmarks.automask_accuracy --data DATA --mode objects
    python -m benchmarks.automask_accuracy --data DATA --mode grid --set points_per_side=24
    python -m benchmarks.automask_accuracy --data DATA --mode watershed

DATA holds ``<id>_image.png``, ``<id>_labels.png`` and an ``index.csv`` with the columns ``id``,
``kind`` and ``group``, as made of the 2018 Data Science Bowl (BBBC038v1). By default only the
groups are measured that the embedded model was not trained on (``training/split.toml``). Figures
are means over pictures; the IoU is that of all matched objects. ``watershed`` is no mode of ours
but what one would do without any model, as a yardstick.
"""

from __future__ import annotations

import argparse
import csv
import time
import tomllib
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage.io import imread

from benchmarks.timing import print_table
from napari_sam_onnx import automask, load_model
from napari_sam_onnx.evaluation.evaluate import evaluate_labels
from napari_sam_onnx.pictures.image import to_rgb
from napari_sam_onnx.pictures.overlay import draw_overlay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_sam_onnx.evaluation.evaluate import Evaluation

SPLIT = Path(__file__).parents[1] / "training" / "split.toml"


def read_pictures(
    folder: Path, groups: tuple[str, ...], limit: int
) -> Iterator[tuple[str, str, NDArray[np.uint8], NDArray[np.uint16]]]:
    """Yield name, kind, picture and truth, at most ``limit`` of a group."""
    taken: dict[str, int] = defaultdict(int)
    with (folder / "index.csv").open() as file:
        for row in csv.DictReader(file):
            group = row["group"]
            if (groups and group not in groups) or taken[group] >= limit:
                continue
            taken[group] += 1
            stem = f"{folder}/{row['id']}"
            yield row["id"], row["kind"], imread(f"{stem}_image.png"), imread(f"{stem}_labels.png")


def read_setting(text: str) -> tuple[str, float | str]:
    """Read ``name=value``."""
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        return name, value
    return name, int(number) if number.is_integer() else number


def watershed_labels(picture: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Label bright objects as textbooks do: Otsu's threshold, watershed of the distances."""
    from scipy.ndimage import distance_transform_edt, label
    from skimage.feature import peak_local_max
    from skimage.filters import gaussian, threshold_otsu
    from skimage.segmentation import watershed

    gray = gaussian(to_rgb(picture).max(axis=2), 1)
    bright = gray > threshold_otsu(gray)
    distance = gaussian(distance_transform_edt(bright), 1)
    peaks = peak_local_max(distance, min_distance=5, labels=label(bright)[0])
    markers = np.zeros(gray.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, markers, mask=bright).astype(np.uint32)


def main() -> None:
    """Print a table: one row per kind of picture, and one for all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default=["pebble"], nargs="+", help="an id, or two .onnx files")
    parser.add_argument("--mode", default="objects")
    parser.add_argument("--set", type=read_setting, action="append", default=[], metavar="N=V")
    parser.add_argument("--groups", nargs="*", help="default: those unseen in training")
    parser.add_argument("--limit", type=int, default=10_000, help="pictures of a group")
    parser.add_argument("--overlays", type=Path, help="folder for pictures with outlines")
    arguments = parser.parse_args()
    named = arguments.model
    settings = dict(arguments.set)
    if arguments.mode == "watershed":
        who, find = "no model", watershed_labels
    else:
        model = load_model(named[0] if len(named) == 1 else named)
        who, find = model.id, partial(automask, model=model, mode=arguments.mode, **settings)
    found: dict[str, list[tuple[Evaluation, float]]] = defaultdict(list)
    groups = arguments.groups
    if groups is None:
        groups = tomllib.loads(SPLIT.read_text(encoding="utf-8"))["held"]
    pictures = read_pictures(arguments.data, tuple(groups), arguments.limit)
    for name, kind, picture, truth in pictures:
        began = time.perf_counter()
        labels = find(picture)
        seconds = time.perf_counter() - began
        evaluation = evaluate_labels(labels, truth)
        for row in (kind, "all"):
            found[row].append((evaluation, seconds))
        if arguments.overlays:
            save_overlay(arguments.overlays / f"{name}.png", picture, labels)
    print(f"{who}, mode {arguments.mode}, {settings or 'default settings'}")
    rows = []
    for kind, results in sorted(found.items(), key=lambda item: (item[0] == "all", item[0])):
        half = [evaluation.at(0.5) for evaluation, _ in results]
        figures = (
            np.mean([evaluation.msa for evaluation, _ in results]),
            np.mean([m.average_precision for m in half]),
            np.mean([m.f1 for m in half]),
            np.mean(np.concatenate([m.iou for m in half]))
            if any(m.iou.size for m in half)
            else 0.0,
        )
        count = f"{sum(m.found for m in half)} of {sum(m.expected for m in half)}"
        per_picture = np.median([seconds for _, seconds in results])
        rows.append(
            [kind, str(len(results)), count, *(f"{f:.3f}" for f in figures), f"{per_picture:.2f}"]
        )
    print_table(["kind", "pictures", "objects", "mSA", "AP@0.5", "F1@0.5", "IoU", "median s"], rows)


def save_overlay(path: Path, picture: NDArray[np.uint8], labels: NDArray[np.uint32]) -> None:
    """Write the picture with the outlines of its labels."""
    from skimage.io import imsave

    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, draw_overlay(to_rgb(picture), labels), check_contrast=False)


if __name__ == "__main__":
    main()
