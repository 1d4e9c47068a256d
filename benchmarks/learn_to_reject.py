"""What a few judged objects bring: precision at equal recall, before and after learning.

    python -m benchmarks.learn_to_reject --data FOLDER --pictures 6

FOLDER holds pairs ``NAME_image.tif`` and ``NAME_labels.tif`` (or ``.png``); with an ``index.csv``
of the columns ``id``, ``kind`` and ``group`` the pictures of each group are taken apart. On the
first picture of a group objects are judged by its truth, at most ``--judged`` of each kind,
wanted (IoU of at least 0.5 with an object of the truth that no better rated one has) and not; the
others of the group are rated by what was learned. Candidates are all masks of a rating of 0.3 and
more, one per object. Precision is that of the best rated candidates which reach the recall that
the default has.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage.io import imread

from benchmarks.timing import print_table
from napari_sam_onnx import find_masks, load_model
from napari_sam_onnx.automatic.learn import describe_objects, learn_judge
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.image import to_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks import Mask

LEAST = 0.3


def list_groups(folder: Path) -> dict[str, list[Path]]:
    """List the pictures of each group."""
    groups: dict[str, list[Path]] = defaultdict(list)
    index = folder / "index.csv"
    if index.exists():
        with index.open() as file:
            for row in csv.DictReader(file):
                groups[row["group"]].append(folder / f"{row['id']}_image.png")
    else:
        groups[folder.name] = sorted(folder.glob("*_image.*"))
    return groups


def judge_masks(masks: Sequence[Mask], truth: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Say which masks, the best rated first, are objects of the truth that none before them is."""
    areas = np.bincount(truth.ravel())
    taken: set[int] = set()
    good = np.zeros(len(masks), bool)
    for number, mask in enumerate(masks):
        shared = np.bincount(truth[mask.slices][mask.crop], minlength=len(areas))
        shared[0] = 0
        best = int(np.argmax(shared))
        union = mask.area + areas[best] - shared[best]
        if best and shared[best] >= 0.5 * union and best not in taken:
            taken.add(best)
            good[number] = True
    return good


def precision_at(scores: NDArray[np.float64], good: NDArray[np.bool_], wanted: int) -> float:
    """Precision of the best rated that hold so many good ones."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(good[order])
    count = int(np.searchsorted(hits, wanted)) + 1
    return wanted / min(count, len(order)) if wanted else float("nan")


def main() -> None:
    """Print a row per group."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--groups", nargs="*")
    parser.add_argument("--pictures", type=int, default=6, help="of a group, the first judged")
    parser.add_argument("--judged", type=int, default=15, help="objects of each kind at most")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    rows = []
    for group, pictures in sorted(list_groups(arguments.data).items()):
        if arguments.groups and group not in arguments.groups:
            continue
        judge, before, after, goods, defaults = None, [], [], [], []
        judged = 0
        for path in pictures[: arguments.pictures]:
            truth = imread(str(path).replace("_image", "_labels"))
            rgb, cache = to_rgb(imread(path)), EmbeddingCache()
            found = find_masks(rgb, model, "objects", cache=cache)
            chosen = found.indices(found.selection.change(min_rating=LEAST))
            good = judge_masks([found.masks[i] for i in chosen], truth)
            features = describe_objects(found, encode_through(rgb, model, cache), rgb)[chosen]
            if judge is None:
                kinds = [np.flatnonzero(good), np.flatnonzero(~good)]
                if min(map(len, kinds)) < 3:
                    continue  # nothing to judge here
                random = np.random.default_rng(0)
                picked = np.concatenate(
                    [random.permutation(kind)[: arguments.judged] for kind in kinds]
                )
                judge = learn_judge(features[picked], good[picked], model.id)
                judged = len(picked)
                continue
            before.append(found.feature("rating")[chosen])
            after.append(judge.rate(features))
            goods.append(good)
            defaults.append(before[-1] >= found.selection.min_rating)
        if not goods:
            continue
        rating, learned, good, default = map(np.concatenate, (before, after, goods, defaults))
        wanted = int((good & default).sum())
        both = np.sqrt(rating * learned)
        rows.append(
            [
                group,
                str(len(goods)),
                str(judged),
                str(len(good)),
                f"{precision_at(rating, good, wanted):.3f}",
                f"{precision_at(learned, good, wanted):.3f}",
                f"{precision_at(both, good, wanted):.3f}",
            ]
        )
        print(" | ".join(rows[-1]), flush=True)
    head = ["group", "pictures", "judged", "candidates", "rating", "learned", "both"]
    print_table(head, rows)


if __name__ == "__main__":
    main()
