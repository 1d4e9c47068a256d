"""What a few judged objects bring: precision at equal recall, before and after learning.

    python -m benchmarks.learn_to_reject --data FOLDER --pictures 6

FOLDER holds pairs ``NAME_image.tif`` and ``NAME_labels.tif`` (or ``.png``); with an ``index.csv``
of the columns ``id``, ``kind`` and ``group`` the pictures of each group are taken apart. In each
draw one picture of a group is chosen, and at most ``--judged`` of its objects of each kind are
judged by the truth: wanted (an IoU of at least 0.5 with an object of the truth that no better
rated one has) or not. The others of the group are rated by what was learned. Candidates are all
masks of a rating of 0.3 and more, one per object. Precision is that of the best rated candidates
which reach the recall that the default has; the mean over draws.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage.io import imread

from benchmarks.timing import print_table
from napari_sam_onnx import find_masks, load_model
from napari_sam_onnx.automatic.taught.learn import describe_objects, learn_judge
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.pictures.image import to_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model

LEAST = 0.3
FEWEST = 40  # candidates of a group that is looked at


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The candidates of a picture: described, rated, judged; and whether the default keeps them."""

    features: NDArray[np.float64]
    rating: NDArray[np.float64]
    good: NDArray[np.bool_]
    kept: NDArray[np.bool_]


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


def look(path: Path, model: Model) -> Seen:
    """Find the candidates of a picture, describe them and judge them by the truth."""
    truth = imread(str(path).replace("_image", "_labels"))
    rgb, cache = to_rgb(imread(path)), EmbeddingCache()
    found = find_masks(rgb, model, "objects", cache=cache)
    chosen = found.indices(found.selection.change(min_rating=LEAST))
    rating = found.feature("rating")[chosen]
    return Seen(
        describe_objects(found, encode_through(rgb, model, cache), rgb)[chosen],
        rating,
        judge_masks([found.masks[i] for i in chosen], truth),
        rating >= found.selection.min_rating,
    )


def draw(pictures: list[Seen], judged: int, seed: int, model: str) -> tuple[float, float] | None:
    """Judge one picture, rate the others: precision by rating, and as learned."""
    random, judge, others = np.random.default_rng(seed), None, []
    for number in random.permutation(len(pictures)):
        seen = pictures[number]
        if judge is not None:
            others.append(seen)
            continue
        kinds = [np.flatnonzero(seen.good), np.flatnonzero(~seen.good)]
        if min(map(len, kinds)) >= 3:
            picked = np.concatenate([random.permutation(kind)[:judged] for kind in kinds])
            judge = learn_judge(seen.features[picked], seen.good[picked], model)
    if judge is None or not others:
        return None
    rating, good, kept = (
        np.concatenate([getattr(seen, name) for seen in others])
        for name in ("rating", "good", "kept")
    )
    learned = np.concatenate([judge.rate(seen.features) for seen in others])
    wanted = int((good & kept).sum())
    return precision_at(rating, good, wanted), precision_at(learned, good, wanted)


def main() -> None:
    """Print a row per group."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, nargs="+")
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--pictures", type=int, default=6, help="of a group at most")
    parser.add_argument("--judged", type=int, default=15, help="objects of each kind at most")
    parser.add_argument("--draws", type=int, default=5)
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    rows, means = [], []
    groups = {g: p for folder in arguments.data for g, p in sorted(list_groups(folder).items())}
    for group, paths in groups.items():
        pictures = [look(path, model) for path in paths[: arguments.pictures]]
        count = sum(len(seen.good) for seen in pictures)
        drawn = [
            draw(pictures, arguments.judged, seed, model.id) for seed in range(arguments.draws)
        ]
        known = [pair for pair in drawn if pair is not None]
        if not known or count < FEWEST:
            continue
        means.append(np.mean(known, axis=0))
        figures = [f"{value:.3f}" for value in means[-1]]
        rows.append([group, str(len(pictures)), str(count), *figures])
    rows.append(["mean", "", "", *(f"{value:.3f}" for value in np.mean(means, axis=0))])
    print_table(["group", "pictures", "candidates", "rating", "learned"], rows)


if __name__ == "__main__":
    main()
