"""Whether encoding the next plane while this one is decoded pays.

    python -m benchmarks.overlap FOLDER/mobile-sam     # of encoder.onnx and decoder.onnx
    python -m benchmarks.overlap pebble

The same planes one after the other, and with a thread that encodes one plane ahead; by turns, so
that a machine that is busy with something else slows both. Ratios of the clock are those of
neighbouring runs.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.sam_speed import draw_plane
from benchmarks.timing import print_table
from napari_sam_onnx import load_model
from napari_sam_onnx.automatic.settings.modes import make_parameters
from napari_sam_onnx.automatic.steps import iterate_mask_set
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.generators import drive

if TYPE_CHECKING:
    import numpy as np

    from napari_sam_onnx.automatic.settings.modes import Parameters
    from napari_sam_onnx.models import Model


def run(planes: list[np.ndarray], model: Model, parameters: Parameters, ahead: bool) -> list[int]:
    """Find what is on each plane, and count it."""
    cache, counts = EmbeddingCache(), []
    with ThreadPoolExecutor(1) as pool:
        following = None
        for number, plane in enumerate(planes):
            if following is not None:
                following.result()
            if ahead and number + 1 < len(planes):
                encode_through(plane, model, cache)
                following = pool.submit(encode_through, planes[number + 1], model, cache)
            counts.append(len(drive(iterate_mask_set(plane, model, parameters, cache=cache))))
    return counts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a folder of two files, or a model's id")
    parser.add_argument("--planes", type=int, default=4)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--points", type=int, default=8, help="clicks along a side of a grid")
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    folder = Path(given.model)
    files = [folder / "encoder.onnx", folder / "decoder.onnx"]
    model = load_model(files if folder.is_dir() else given.model, provider="cpu", threads=2)
    grid = make_parameters("grid", points_per_side=given.points)
    parameters = grid if folder.is_dir() else make_parameters("objects")
    planes = [draw_plane((given.side, given.side), seed) for seed in range(given.planes)]
    run(planes[:1], model, parameters, ahead=False)
    rows, counts = [], set()
    for turn in range(given.turns):
        took = []
        for ahead in (False, True):
            clock, processor = time.perf_counter(), time.process_time()
            counts.add(tuple(run(planes, model, parameters, ahead)))
            took.append((time.perf_counter() - clock, time.process_time() - processor))
        rows.append((turn, *took[0], *took[1], took[1][0] / took[0][0]))
    assert len(counts) == 1, "the same masks either way"
    columns = ["turn", "clock", "processor", "ahead: clock", "processor", "clock, ratio"]
    print_table(columns, [[str(r[0]), *(f"{value:.2f}" for value in r[1:])] for r in rows])
    print(f"\nmedian ratio {median(row[-1] for row in rows):.2f}")


if __name__ == "__main__":
    main()
