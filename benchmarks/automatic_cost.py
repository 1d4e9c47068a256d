"""Processor time of automatic masks of drawn pictures and the sample, to compare two versions.

    python -m benchmarks.automatic_cost --repeats 7

Run it in the two versions in turn: the clock of a busy machine tells little, the least of several
processor times does.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
from tifffile import imread

from benchmarks.timing import print_table
from napari_sam_onnx import automask, automask_stack, load_model
from napari_sam_onnx.samples import sample_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def draw_blobs(count: int, radius: int, side: int = 1024) -> NDArray[np.uint8]:
    """Draw discs in noise that do not touch."""
    rng = np.random.default_rng(1)
    picture = rng.normal(20, 4, (side, side))
    reach = radius + 3
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc, taken = y**2 + x**2 < radius**2, np.zeros((side, side), bool)
    while count:
        top, left = rng.integers(0, side - 2 * reach - 1, 2)
        place = np.s_[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
        if not taken[place].any():
            picture[place][disc] += 100
            taken[place] = True
            count -= 1
    return np.clip(picture, 0, 255).astype(np.uint8)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    model = load_model("pebble")
    sample, blobs = imread(sample_path("nuclei")), draw_blobs(300, 11)
    frames = np.stack([sample[20 * i : 20 * i + 256, :256] for i in range(8)])
    gray = (sample[:512, :512] / (sample.max() / 255)).astype(np.uint8)
    tile = np.repeat(gray[..., None], 3, axis=2)
    tasks: dict[str, Callable[[], object]] = {
        "sample nuclei": lambda: automask(sample, model),
        "1024², 300 blobs": lambda: automask(blobs, model),
        "8 frames of 256², linked": lambda: automask_stack(frames, model, axes="TYX", link="t"),
        "encode 256²": lambda: model.encode(tile[:256, :256].copy()),
        "encode 512²": lambda: model.encode(tile),
    }
    rows = []
    for name, task in tasks.items():
        task()
        times = []
        for _ in range(repeats):
            began = time.process_time()
            task()
            times.append(time.process_time() - began)
        rows.append([name, f"{min(times):.3f}", f"{np.median(times):.3f}"])
    print_table(["task", "least processor s", "median"], rows)


if __name__ == "__main__":
    main()
