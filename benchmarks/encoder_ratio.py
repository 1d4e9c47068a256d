"""A model's speed as a ratio to another's, both in one run on the same cores.

Absolute times depend on the machine; a ratio hardly does. The other model is usually MobileSAM
with random weights (speed does not depend on them), which its exporter writes in an environment
with torch, samexporter and segment-anything:

    python -m benchmarks.exporters.make mobile-sam --cache FOLDER
    python -m benchmarks.encoder_ratio FOLDER/mobile-sam/*.onnx --threads 2

Runs of the two models alternate, so that a busy moment hits both.
"""

from __future__ import annotations

import argparse
from statistics import median

import numpy as np

from benchmarks.timing import print_table, time_runs
from napari_sam_onnx import load_model
from napari_sam_onnx.prompts import make_prompts


def main() -> None:
    """Print a table of both models' times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", nargs=2, help="encoder and decoder of the model to compare with")
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=64, help="prompts decoded at once")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    models = [
        load_model(source, threads=arguments.threads)
        for source in (arguments.model, tuple(arguments.other))
    ]
    rng = np.random.default_rng(0)
    shape = (arguments.size, arguments.size)
    picture = rng.integers(0, 256, (*shape, 3), np.uint8)
    embeddings = [model.encode(picture) for model in models]
    clicks = rng.uniform(0, arguments.size - 1, (arguments.batch, 1, 2))
    prompts = [make_prompts(points=click, plane_shape=shape) for click in clicks]
    tasks = {
        f"encode {arguments.size}²": [lambda m=m: m.encode(picture) for m in models],
        "decode one click": [
            lambda m=m, e=e: m.decode(e, prompts[:1])
            for m, e in zip(models, embeddings, strict=True)
        ],
        f"decode one click of {arguments.batch}": [
            lambda m=m, e=e: m.decode(e, prompts) for m, e in zip(models, embeddings, strict=True)
        ],
    }
    rows = []
    for name, runs in tasks.items():
        seconds: list[list[float]] = [[], []]
        for repeat in range(arguments.repeats):
            for own, run in zip(seconds, runs, strict=True):
                own += time_runs(run, 1, warm_up=int(repeat == 0))
        count = arguments.batch if name.endswith(f"of {arguments.batch}") else 1
        ours, theirs = (1000 * median(own) / count for own in seconds)
        rows.append([name, f"{ours:.1f}", f"{theirs:.1f}", f"1/{theirs / ours:.1f}"])
    print(f"{models[0].id} against {models[1].id}, {arguments.threads} threads")
    print_table(["task", "ours, ms", "other, ms", "ratio"], rows)


if __name__ == "__main__":
    main()
