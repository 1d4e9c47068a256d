"""How long encoding a plane takes, and the memory it needs: ``python -m benchmarks.encode``."""

from __future__ import annotations

import argparse
from statistics import median

import numpy as np

from benchmarks.timing import (
    describe_milliseconds,
    print_table,
    read_peak_memory,
    time_processor,
    time_runs,
)
from napari_sam_onnx import load_model


def main() -> None:
    """Print a table, one row per size, from small to large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pebble", nargs="+", help="an id, or two .onnx files")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--threads", type=int, help="all cores but one where omitted")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    named = arguments.model
    source = named[0] if isinstance(named, list) and len(named) == 1 else named
    model = load_model(source, threads=arguments.threads)
    rng = np.random.default_rng(0)
    rows = []
    for size in arguments.sizes:
        picture = rng.integers(0, 256, (size, size, 3), np.uint8)
        before = read_peak_memory()
        seconds = time_runs(lambda picture=picture: model.encode(picture), arguments.repeats)
        processor = time_processor(lambda picture=picture: model.encode(picture), 3)
        kept = model.encode(picture).nbytes / 2**20
        rows.append(
            [
                f"{size}²",
                *describe_milliseconds(seconds),
                f"{1000 * median(processor):.0f}",
                f"{kept:.1f}",
                f"{read_peak_memory() - before:.0f}",
            ]
        )
    print(f"{model.id}")
    columns = ["median ms", "fastest", "slowest", "CPU ms", "embedding MiB", "more peak MiB"]
    print_table(["plane", *columns], rows)


if __name__ == "__main__":
    main()
