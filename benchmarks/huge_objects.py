"""One huge object among small ones: clicks on it, and automatic masks of all.

    python -m benchmarks.huge_objects

Drawn planes, so that the truth is known: an object of an uneven outline with noise and texture, and
sixty small discs beside it. IoU of the huge object by five clicks (the middle, and four places in
it) and in the automatic labels; how many of the small ones are found at IoU 0.5; processor seconds
of the automatic masks.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from benchmarks.timing import print_table
from napari_sam_onnx import Segmenter, automask, load_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Side of the plane, diameters of the huge object and of the small ones, strength of the texture.
PLANES = (
    (1024, 560, 30, 0),
    (1024, 560, 30, 12),
    (2048, 560, 30, 0),
    (2048, 1000, 30, 12),
    (1024, 350, 20, 12),
    (700, 400, 25, 12),
)


def draw(
    side: int, huge: int, small: int, texture: float
) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Draw a plane and its truth, whose object 1 is the huge one."""
    rng = np.random.default_rng(0)
    picture = np.full((side, side), 20.0)
    truth = np.zeros((side, side), np.intp)
    y, x = np.mgrid[:side, :side]
    middle = side * 0.45
    angle, distance = np.arctan2(y - middle, x - middle), np.hypot(y - middle, x - middle)
    outline = huge / 2 * (1 + 0.06 * np.sin(3 * angle + 1) + 0.04 * np.sin(5 * angle))
    waves = ndimage.gaussian_filter(rng.normal(size=(side, side)), 12)
    truth[distance < outline] = 1
    picture = np.where(truth == 1, 120 + texture * waves / waves.std(), picture)
    number = 2
    while number < 62:
        diameter = small * rng.uniform(0.8, 1.2)
        cy, cx = rng.uniform(diameter, side - diameter, 2)
        disc = np.hypot(y - cy, x - cx) < diameter / 2
        if not truth[np.hypot(y - cy, x - cx) < diameter / 2 + 4].any():
            picture[disc], truth[disc] = rng.uniform(90, 160), number
            number += 1
    seen = ndimage.gaussian_filter(picture, 1.5) + rng.normal(0, 5, picture.shape)
    return np.clip(seen, 0, 255).astype(np.uint8), truth


def measure_iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """IoU of two masks."""
    return float((a & b).sum() / max(1, (a | b).sum()))


def best_iou(labels: NDArray[np.uint32], wanted: NDArray[np.bool_]) -> float:
    """IoU of an object with the label that fits it best."""
    numbers = np.unique(labels[wanted])
    return max((measure_iou(labels == n, wanted) for n in numbers if n), default=0.0)


def main() -> None:
    """Measure and print."""
    model = load_model("pebble")
    rows = []
    for side, huge, small, texture in PLANES:
        picture, truth = draw(side, huge, small, texture)
        segmenter = Segmenter(model)
        segmenter.set_image(picture)
        inside = np.argwhere(truth == 1)
        chosen = np.random.default_rng(1).choice(len(inside), 4)
        points = [inside.mean(axis=0), *inside[chosen]]
        clicks = [measure_iou(np.asarray(segmenter.segment([p])), truth == 1) for p in points]
        began = time.process_time()
        labels = automask(picture, model)
        seconds = time.process_time() - began
        found = [best_iou(labels, truth == n) > 0.5 for n in range(2, 62)]
        rows.append((
            f"{side}², {huge} and {small} px" + ", textured" * (texture > 0),
            " ".join(f"{iou:.2f}" for iou in clicks),
            f"{best_iou(labels, truth == 1):.2f}",
            f"{100 * np.mean(found):.0f} %",
            f"{seconds:.1f}",
        ))  # fmt: skip
    head = ("plane", "five clicks, IoU", "automatic, IoU", "small ones found", "processor s")
    print_table(head, rows)


if __name__ == "__main__":
    main()
