"""How fast pebble's graphs are beside MobileSAM's encoder and SAM's decoder, in one run.

    python -m benchmarks.exporters.make mobile-sam --cache FOLDER
    python -m benchmarks.pebble_ratio FOLDER/mobile-sam

The graphs of the others are samexporter's exports with random weights (speed does not
depend on them); see ``benchmarks/exporters``. Runs alternate, so that a machine that is
busy with something else slows both; the ratio of the medians is the result. Graphs alone are
measured; ``benchmarks.encoder_ratio`` measures what users wait for.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort

import napari_sam_onnx
from benchmarks.timing import print_table, time_runs

if TYPE_CHECKING:
    from collections.abc import Callable

PEBBLE = Path(napari_sam_onnx.__file__).parent / "models" / "pebble"
SIDE = 1024
BATCH = 64


def open_graph(path: Path, threads: int) -> ort.InferenceSession:
    """Open a graph on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """Median seconds of two calls that take turns, after one turn that does not count."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeats):
        for call, kept in zip((ours, theirs), seconds, strict=True):
            kept += time_runs(call, 1, warm_up=int(turn == 0))
    return median(seconds[0]), median(seconds[1])


def make_clicks(count: int) -> np.ndarray:
    """Clicks ``(count, 1, 2)`` as (x, y), spread over the picture."""
    generator = np.random.default_rng(0)
    return generator.uniform(100, SIDE - 100, (count, 1, 2)).astype(np.float32)


def main() -> None:
    """Print both ratios as rows of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("others", type=Path, help="folder of MobileSAM's two files")
    parser.add_argument("--pebble", type=Path, default=PEBBLE, help="folder of pebble's files")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()

    encoder, decoder, sam_encoder, sam_decoder = (
        open_graph(folder / name, arguments.threads)
        for folder in (arguments.pebble, arguments.others)
        for name in ("encoder.onnx", "decoder.onnx")
    )
    picture = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    floats = picture.astype(np.float32)
    outputs = [output.name for output in encoder.get_outputs()]
    embedding = dict(zip(outputs, encoder.run(None, {"image": picture}), strict=True))
    taken = {argument.name: argument.shape for argument in decoder.get_inputs()}
    mask_side = taken["mask_input"][-1]
    clicks = {
        **{name: tensor for name, tensor in embedding.items() if name in taken},
        "point_coords": make_clicks(BATCH),
        "point_labels": np.ones((BATCH, 1), np.float32),
        "mask_input": np.zeros((BATCH, 1, mask_side, mask_side), np.float32),
        "mask_window": np.zeros((BATCH, 4), np.float32),
        "has_mask_input": np.zeros(BATCH, np.float32),
    }
    one_click = {
        "image_embeddings": sam_encoder.run(None, {"input_image": floats})[0],
        "point_coords": np.concatenate([make_clicks(1), np.zeros((1, 1, 2), np.float32)], axis=1),
        "point_labels": np.array([[1, -1]], np.float32),
        "mask_input": np.zeros((1, 1, 256, 256), np.float32),
        "has_mask_input": np.zeros(1, np.float32),
        "orig_im_size": np.array([64, 64], np.float32),
    }

    encoding = compare(
        lambda: encoder.run(None, {"image": picture}),
        lambda: sam_encoder.run(None, {"input_image": floats}),
        arguments.repeats,
    )
    decoding = compare(
        lambda: decoder.run(None, clicks),
        lambda: sam_decoder.run(None, one_click),
        arguments.repeats,
    )
    decoding = decoding[0] / BATCH, decoding[1]
    print(f"onnxruntime {ort.__version__}, {arguments.threads} threads, graphs alone")
    rows = [
        [task, f"{1e3 * ours:.2f}", f"{1e3 * theirs:.1f}", f"1/{theirs / ours:.1f}"]
        for task, (ours, theirs) in (
            (f"encode {SIDE}²; other: MobileSAM", encoding),
            (f"decode one of {BATCH} prompts; other: SAM, one prompt", decoding),
        )
    ]
    print_table(["task", "pebble, ms", "other, ms", "ratio"], rows)


if __name__ == "__main__":
    main()
