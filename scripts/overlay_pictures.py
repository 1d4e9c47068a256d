"""The overlays of docs/automask.md: automatic masks on six kinds of pictures, all of them drawn.

    python scripts/overlay_pictures.py

A nuclei picture that comes with the package, and pictures of the simulator in ``training/``. Prints
how well the labels fit the truth.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_sam_onnx import automask, load_model, to_rgb
from napari_sam_onnx.evaluation.evaluate import evaluate_labels
from napari_sam_onnx.pictures.overlay import draw_overlay
from napari_sam_onnx.pictures.picture_file import load_picture
from napari_sam_onnx.samples import sample_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
SIDE, GAP, COLUMNS = 320, 6, 3
SIMULATED = {"stain": 3, "microcolony": 1, "em": 2, "yeast": 5, "phase": 4}
"""Kinds of the simulator, and the seed of the picture that is shown: the first ones tried."""


def read_pictures() -> Iterator[tuple[str, NDArray[np.uint8], NDArray[Any]]]:
    """Yield a name, a picture (H, W, 3) and its truth for each kind."""
    nuclei, truth = load_picture(sample_path("nuclei")), load_picture(sample_path("nuclei_truth"))
    yield "nuclei", to_rgb(nuclei), truth
    sys.path.insert(0, str(ROOT / "training"))
    from simulate import picture

    for kind, seed in SIMULATED.items():
        rgb, labels = picture(kind, np.random.default_rng(seed))
        yield kind, rgb, labels


def main() -> None:
    """Draw one picture of all kinds."""
    model = load_model("pebble")
    sheet = Image.new("RGB", (COLUMNS * (SIDE + GAP) - GAP, 2 * (SIDE + GAP) - GAP), "white")
    print(model.id)
    for number, (kind, rgb, truth) in enumerate(read_pictures()):
        found = automask(rgb, model)
        fit = evaluate_labels(found, truth, (0.5,)).at(0.5)
        print(f"{kind:12} {fit.found:4} found of {fit.expected:4}, F1 at IoU 0.5 {fit.f1:.3f}")
        drawn = Image.fromarray(draw_overlay(rgb, found)[:SIDE, :SIDE])
        drawn = drawn.resize((SIDE, SIDE)) if drawn.size != (SIDE, SIDE) else drawn
        row, column = divmod(number, COLUMNS)
        sheet.paste(drawn, (column * (SIDE + GAP), row * (SIDE + GAP)))
    sheet.save(ROOT / "docs" / "images" / "automatic.jpg", quality=88)


if __name__ == "__main__":
    main()
