"""How long a click takes on large planes: the first one somewhere, and the next ones near it.

    python -m benchmarks.large_clicks [--side 6000] [--lazy]

The dock's own engine is asked, with the embedded model, on a plane of nuclei repeated to the size
(``--lazy``: a dask array that is computed chunk by chunk, of which no more is read than is looked
at). Wall and processor time, and the largest memory in use, without what a viewer takes to show it.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from benchmarks.timing import print_table
from napari_sam_onnx.pictures.image import Channel
from napari_sam_onnx.plugin.picture.plane import Plane
from napari_sam_onnx.plugin.picture.reader import Reader
from napari_sam_onnx.plugin.session.engine import Engine, Request
from napari_sam_onnx.prompts import make_prompts
from napari_sam_onnx.samples import open_nuclei


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=6000)
    parser.add_argument("--lazy", action="store_true")
    parser.add_argument("--clicks", type=int, default=6)
    options = parser.parse_args()
    sample = np.asarray(open_nuclei()[0][0])
    repeats = -(-options.side // min(sample.shape))
    if options.lazy:
        import dask.array as da

        tile = da.from_array(sample, chunks=sample.shape)
        plane = da.block([[tile] * repeats] * repeats)[: options.side, : options.side]
    else:
        plane = np.tile(sample, (repeats, repeats))[: options.side, : options.side]
    shape = (options.side, options.side)
    limits = float(sample.min()), float(sample.max())
    reader = Reader((plane,), shape, (Channel(0, limits=limits),))
    engine = Engine()
    engine.model("pebble")
    bright = np.argwhere(sample > np.percentile(sample, 97))
    rng = np.random.default_rng(0)
    rows = []
    for number in range(options.clicks):
        spot = bright[rng.integers(len(bright))]
        corner = rng.integers(0, options.side // min(sample.shape) - 1, 2) * min(sample.shape)
        for name, shift in (("first", 0), ("beside it", 3)):
            point = np.clip(spot + corner + shift, 0, options.side - 1)
            asked = make_prompts([point], plane_shape=shape)
            request = Request(number, "pebble", reader, Plane((0, 1), (0, 0)), (asked,))
            wall, cpu = time.perf_counter(), time.process_time()
            (mask,) = engine.answer(request)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            rows.append(
                [name, f"{wall:.2f}", f"{cpu:.2f}", f"{mask.score:.2f}", str(mask.crop_box)]
            )
    print_table(["click", "s", "processor s", "score", "part"], rows)
    for name in ("first", "beside it"):
        chosen = [row for row in rows if row[0] == name]
        wall = np.median([float(row[1]) for row in chosen])
        cpu = np.median([float(row[2]) for row in chosen])
        print(f"{name}: {wall:.2f} s, {cpu:.2f} s of processor, median")
    print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
