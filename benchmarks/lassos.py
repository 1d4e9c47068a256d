"""What a lasso gives: its box, the box drawn in, or the lasso as a mask to begin with.

    python -m benchmarks.lassos --data FOLDER …

FOLDER holds pairs ``NAME_image.tif`` and ``NAME_labels.tif`` (or ``.png``); with an ``index.csv``
of the columns ``id`` and ``kind`` the pictures of each kind are taken apart. Lassos of 16 corners
are drawn around objects of the truth, as much looser as the first column says and unsteady by 5 %.
A row holds the mean IoU of the answers over kinds.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage.draw import polygon2mask
from skimage.io import imread
from skimage.measure import regionprops

from benchmarks.timing import print_table
from napari_sam_onnx import Segmenter, load_model
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.masks.upscale import low_res_from_mask
from napari_sam_onnx.pictures.image import to_rgb
from napari_sam_onnx.plugin.layers.objects import TIGHTER
from napari_sam_onnx.prompts import Prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOSE = (1.0, 1.1, 1.3, 1.6)
CORNERS = 16
LEAST_AREA = 80
BORDER = 3


def list_kinds(folder: Path) -> dict[str, list[Path]]:
    """List the pictures of each kind."""
    index = folder / "index.csv"
    if not index.exists():
        return {folder.name: sorted(folder.glob("*_image.*"))}
    kinds: dict[str, list[Path]] = defaultdict(list)
    with index.open() as file:
        for row in csv.DictReader(file):
            kinds[row["kind"]].append(folder / f"{row['id']}_image.png")
    return kinds


def draw_lasso(
    object_: NDArray[np.bool_], loose: float, random: np.random.Generator
) -> NDArray[np.float64]:
    """Draw around an object: corners, ``(N, 2)``."""
    pixels = np.argwhere(object_)
    middle = pixels.mean(axis=0)
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    ways = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    reach = ((pixels - middle) @ ways.T).max(axis=0)
    unsteady = random.uniform(0.95, 1.05, CORNERS)
    return np.asarray(middle + ways * (reach * loose * unsteady + 1)[:, None])


def ask(segmenter: Segmenter, lasso: NDArray[np.float64], shape: tuple[int, int]) -> list[Mask]:
    """Answer a lasso as its box, as that box drawn in, and with the lasso as a mask."""
    inside = polygon2mask(shape, lasso)
    rows, columns = np.nonzero(inside)
    box = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1], float)
    inward = TIGHTER * (box[2:] - box[:2])
    tight = np.concatenate([box[:2] + inward, box[2:] - inward])
    none, signs = np.zeros((0, 2)), np.zeros(0, np.int64)
    drawn = low_res_from_mask(Mask.from_array(inside))
    return segmenter.answer(
        [Prompts(none, signs, box), Prompts(none, signs, tight), Prompts(none, signs, box, drawn)]
    )


def main() -> None:
    """Print a row per looseness."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, nargs="+")
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--pictures", type=int, default=2, help="of a kind at most")
    parser.add_argument("--objects", type=int, default=8, help="of a picture at most")
    arguments = parser.parse_args()
    segmenter, random = Segmenter(load_model(arguments.model)), np.random.default_rng(0)
    found: dict[float, dict[str, list[list[float]]]] = {loose: defaultdict(list) for loose in LOOSE}
    kinds = {kind: paths for folder in arguments.data for kind, paths in list_kinds(folder).items()}
    for kind, paths in kinds.items():
        for path in paths[: arguments.pictures]:
            truth, rgb = imread(str(path).replace("_image", "_labels")), to_rgb(imread(path))
            segmenter.set_rgb(rgb)
            ends = np.array([truth.shape, truth.shape]).ravel() - BORDER
            whole = [
                one.label
                for one in regionprops(truth)
                if one.area >= LEAST_AREA and min(one.bbox) > BORDER and (one.bbox < ends).all()
            ]
            for label in random.permutation(whole)[: arguments.objects]:
                wanted = truth == label
                for loose in LOOSE:
                    lasso = draw_lasso(wanted, loose, random)
                    answers = [np.asarray(m) for m in ask(segmenter, lasso, truth.shape)]
                    answers.append(polygon2mask(truth.shape, lasso))
                    found[loose][kind].append(
                        [float((a & wanted).sum() / (a | wanted).sum()) for a in answers]
                    )
    rows = []
    for loose, by_kind in found.items():
        means = np.mean([np.mean(scores, axis=0) for scores in by_kind.values()], axis=0)
        rows.append([f"{loose:.1f}", *(f"{value:.3f}" for value in means)])
    print_table(["looser", "box", "box drawn in", "lasso as mask", "the lasso itself"], rows)


if __name__ == "__main__":
    main()
