"""Which decoders are compiled, and what a prompt costs then: a row for each.

    python -m benchmarks.exporters.compiled ENCODER.onnx:DECODER.onnx … [--clicks 48]

Opens each pair as it is and compiled, and asks both the same clicks in turns, 16 at once. Says what
loading found, the processor time of a prompt, masks made, and how alike the answers are.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.exporters.cases import make_picture
from benchmarks.timing import print_table
from napari_sam_onnx.models import load_model
from napari_sam_onnx.prompts import make_prompts

SHAPE = (480, 640)
AT_ONCE = 16


def compare(pair: list[Path], clicks: int) -> list[str]:
    """Ask a pair as it is and compiled."""
    models = [load_model(pair, provider="cpu", compiled=compiled) for compiled in (False, True)]
    found = next((f for f in models[1].findings if "compiled" in f), "not of SAM's family")
    points = np.random.default_rng(0).uniform((20, 20), np.array(SHAPE) - 20, (clicks, 2))
    prompts = [make_prompts([point], plane_shape=SHAPE) for point in points]
    embeddings = [model.encode(make_picture(SHAPE)) for model in models]
    took, worst = np.zeros(2), 1.0
    for turn, start in enumerate(range(0, clicks, AT_ONCE)):
        answers = []
        for number, model in enumerate(models):
            began = time.process_time()
            answer = model.decode(embeddings[number], prompts[start : start + AT_ONCE])
            answers.append(np.asarray(answer.logits) > 0)
            if turn:  # the first does not count
                took[number] += time.process_time() - began
        shared = np.logical_and(*answers).sum(axis=(2, 3))
        either = np.maximum(np.logical_or(*answers).sum(axis=(2, 3)), 1)
        worst = min(worst, float((shared / either)[either > 1].min(initial=1.0)))
    each = 1e3 * took / (clicks - AT_ONCE)
    contract = models[0].contract_name
    for model in models:
        model.close()
    if "runs compiled" not in found:
        return [contract, found.split(": ", 1)[-1], f"{each[0]:.0f}", "", "", ""]
    ratio = f"{each[0] / each[1]:.1f}"
    return [contract, "compiled", f"{each[0]:.0f}", f"{each[1]:.0f}", ratio, f"{worst:.5f}"]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="+", help="ENCODER.onnx:DECODER.onnx")
    parser.add_argument("--clicks", type=int, default=3 * AT_ONCE)
    arguments = parser.parse_args()
    rows = []
    for given in arguments.pairs:
        pair = [Path(path) for path in given.split(":")]
        rows.append([f"{pair[1].parent.name}/{pair[1].stem}", *compare(pair, arguments.clicks)])
        print(*rows[-1], sep=" | ", flush=True)
    columns = ["decoder", "contract", "", "as it is, ms", "compiled, ms", "times", "smallest IoU"]
    print_table(columns, rows)


if __name__ == "__main__":
    main()
