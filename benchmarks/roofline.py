"""What a prompt costs a compiled decoder, beside what the machine can do.

    python -m benchmarks.roofline FOLDER/mobile-sam

Multiply-adds of matrix products and bytes that nodes read and write are counted from the shapes
that ONNX Runtime's profiler reports; times are its kernel times, with one thread. The machine's
rates are measured with a matrix product of ONNX Runtime that fits the caches, and with an addition
of arrays that do not.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.timing import print_table
from napari_sam_onnx.models.onnx.compile.compiler import compile_decoder
from napari_sam_onnx.models.onnx.compile.verify import make_embedding, make_feeds
from napari_sam_onnx.models.onnx.contracts.detect import detect_contract
from napari_sam_onnx.models.onnx.sessions.runtime import Session

PRODUCTS = ("MatMul", "FusedMatMul", "Gemm", "FusedGemm")
TURNS = 15


def open_graph(content: bytes, profile: Path | None = None) -> ort.InferenceSession:
    """Open a graph for one thread, profiled into a file or not."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def profile_graph(
    content: bytes, feeds: dict[str, Any], folder: Path
) -> tuple[dict[str, Any], Counter, dict[str, float], float]:
    """Run a graph often: its answers, multiply-adds and ms by kind of node, MB moved."""
    session = open_graph(content, folder / "profile")
    taken = {spec.name: feeds[spec.name] for spec in session.get_inputs()}
    names = [spec.name for spec in session.get_outputs()]
    for _ in range(TURNS):
        answers = session.run(names, taken)
    events = json.loads(Path(session.end_profiling()).read_text())
    runs = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            runs[event["name"]].append(event)
    work, took, moved = Counter(), defaultdict(float), 0.0
    for times in runs.values():
        kind, shapes = times[0]["args"]["op_name"], times[0]["args"]
        given, made = (
            [next(iter(entry.values())) for entry in shapes.get(key, [])]
            for key in ("input_type_shape", "output_type_shape")
        )
        group = "products" if kind in PRODUCTS else kind
        took[group] += median(event["dur"] for event in times[3:]) / 1e3
        moved += 4e-6 * sum(math.prod(shape) for shape in (*given, *made))
        if group == "products" and made:
            inner = given[0][-1] if len(given[0]) else 1
            if math.prod(made[0]) and kind != "MatMul" and given[0][-1] == made[0][-2]:
                inner = given[0][-2]  # the first is transposed
            work[group] += math.prod(made[0]) * inner
    return dict(zip(names, answers, strict=True)), work, took, moved


def measure_machine() -> tuple[float, float]:
    """Multiply-adds of a product (G/s) and bytes of an addition (GB/s), one thread each."""
    from onnx import TensorProto, helper

    shapes = {"a": (1024, 512), "b": (512, 512)}
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    made = helper.make_tensor_value_info("c", TensorProto.FLOAT, None)
    model = helper.make_model(
        helper.make_graph([node], "product", values, [made]),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 8
    session = open_graph(model.SerializeToString())
    feeds = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    rate = 1024 * 512 * 512 / _time(lambda: session.run(None, feeds)) / 1e9
    wide = np.ones(2**26, np.float32)
    out = np.empty_like(wide)
    return rate, 3 * wide.nbytes / _time(lambda: np.add(wide, wide, out=out)) / 1e9


def _time(run: Any) -> float:
    seconds = []
    for _ in range(TURNS):
        began = time.process_time()
        run()
        seconds.append(time.process_time() - began)
    return median(seconds)


def main() -> None:
    """Print a row for each of the three graphs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of encoder.onnx and decoder.onnx")
    parser.add_argument("--prompts", type=int, default=4, help="at once")
    arguments = parser.parse_args()
    sessions = [
        Session(arguments.folder / f"{n}.onnx", provider="cpu") for n in ("encoder", "decoder")
    ]
    decoder = sessions[1]
    row = detect_contract(*((s.inputs, s.outputs) for s in sessions)).decoder
    gmac, bandwidth = measure_machine()
    print(f"matrix product {gmac:.0f} GMAC/s, memory {bandwidth:.0f} GB/s, one thread\n")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compiled, finding = compile_decoder(decoder, row, folder / "kept")
        if compiled is None:
            raise SystemExit(finding)
        (kept,) = (folder / "kept").iterdir()
        feeds: dict[str, Any] = {**make_embedding(decoder, row), **make_feeds(row, (1, -1), 0)}
        for spec in decoder.inputs:
            if spec.name in (row.points, row.labels):
                feeds[spec.name] = np.repeat(feeds[spec.name], arguments.prompts, axis=0)
        for graph, prompts in (("picture", 1), ("tokens", arguments.prompts), ("masks", 1)):
            content = (kept / f"{graph}.onnx").read_bytes()
            answers, work, took, moved = profile_graph(content, feeds, folder)
            if graph == "tokens":  # the masks' graph is for one prompt
                answers = {name: array[:1] for name, array in answers.items()}
            feeds |= answers
            macs, ms = work["products"] / prompts / 1e9, sum(took.values()) / prompts
            most = sorted(took.items(), key=lambda item: -item[1])[:5]
            rows.append(
                [
                    graph,
                    f"{macs:.2f}",
                    f"{moved / prompts:.0f}",
                    f"{1e3 * macs / gmac:.1f}",
                    f"{moved / prompts / bandwidth:.1f}",
                    f"{ms:.1f}",
                    ", ".join(f"{kind} {t / prompts:.2f}" for kind, t in most),
                ]
            )
    print_table(
        ["graph", "GMAC", "MB", "ms of products", "ms of memory", "ms took", "of which"], rows
    )


if __name__ == "__main__":
    main()
