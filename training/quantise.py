"""Bring the convolutions of a float pair to 8 bits, which halves the time of every answer.

    python quantise.py --model FLOAT --data DATA --out ../src/napari_sam_onnx/models/pebble

Post-training static quantisation by ONNX Runtime: ranges of the maps are those that training
pictures show (for the encoder but for the farthest of 100,000 values). Weights have 7 bits, so that
two products fit the 16 bits in which processors without VNNI add them, and every processor comes to
the same sums. What reads the picture and what writes an output stays float: a rounded logit would
move the outline, a rounded extent the window.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
from data import read_real
from evaluate import background_scores, prompt_scores
from onnx_pair import Pair
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

if TYPE_CHECKING:
    from data import Picture
    from numpy.typing import NDArray

Feeds = dict[str, Any]

BETWEEN = ("Relu", "Add", "Resize", "Concat")  # stay in 8 bits between two convolutions
OUTPUTS = ("features", "context", "head", "objectness", "extent", "d2", "l2")
FLOAT = {  # what is asked at strides 2 and 4 decides outlines and peaks, and costs a tenth
    "encoder.onnx": ("stem", "s2", "s4", "d4", "l4", "u4", *OUTPUTS),
    "decoder.onnx": ("masks",),
}
METHODS = {  # of taking ranges; percentiles want calls of one shape
    "encoder.onnx": {
        "calibrate_method": CalibrationMethod.Percentile,
        "extra_options": {"CalibPercentile": 99.999, "CalibMaxIntermediateOutputs": 2},
    },
    "decoder.onnx": {"calibrate_method": CalibrationMethod.MinMax},
}
SIDE = 512  # pixels that the encoder sees of each picture
CALLS = 100  # of the decoder, of which ranges are taken


class Recorder:
    """Stands before a session and keeps what it is asked."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self.session = session
        self.asked: list[Feeds] = []

    def get_outputs(self) -> list[ort.NodeArg]:
        """As the session's."""
        return self.session.get_outputs()

    def run(self, names: None, feeds: Feeds) -> list[NDArray[np.float32]]:
        """Keep the feeds and pass them on."""
        self.asked.append(feeds)
        return self.session.run(names, feeds)


class Asked(CalibrationDataReader):
    """The feeds of a graph, one after the other."""

    def __init__(self, feeds: list[Feeds]) -> None:
        self.rest = iter(feeds)

    def get_next(self) -> Feeds | None:
        """Return the next feeds; None at the end."""
        return next(self.rest, None)


def ask(folder: Path, pictures: list[Picture], each: int, rng: np.random.Generator) -> list[Any]:
    """Encode crops of every kind and prompt their objects; what both graphs were asked."""
    pair = Pair(folder)
    pair.encoder, pair.decoder = Recorder(pair.encoder), Recorder(pair.decoder)
    kinds = defaultdict(list)
    for picture in pictures:
        kinds[picture.kind].append(picture)
    for of_kind in kinds.values():
        for k in rng.permutation(len(of_kind))[:each]:
            image, labels = of_kind[k].image, of_kind[k].labels
            scale = 1 if min(labels.shape) >= SIDE else 2
            side = SIDE // scale
            top, left = (int(rng.integers(max(1, n - side + 1))) for n in labels.shape)
            crop = np.s_[top : top + side, left : left + side]
            image, labels = image[crop], labels[crop]
            beyond = [(0, side - n) for n in labels.shape]
            image = np.pad(image, [*beyond, (0, 0)], "symmetric")
            embedded = pair.encode(image, scale)
            prompt_scores(pair, embedded, np.pad(labels, beyond), rng, 8)
            background_scores(pair, embedded, np.pad(labels, beyond), rng, 4)
    asked = pair.decoder.asked
    return [pair.encoder.asked, [asked[k] for k in rng.permutation(len(asked))[:CALLS]]]


def choose(graph: onnx.GraphProto, stays: tuple[str, ...]) -> list[str]:
    """Names of the convolutions but for ``stays``, and of what lies between them."""
    convs = [n for n in graph.node if n.op_type == "Conv"]
    chosen = {n.name for n in convs if not set(stays) & set(n.name.split("/"))}
    maker = {o: n for n in graph.node for o in n.output}
    readers = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node.op_type)
    for node in graph.node:  # in the order in which they run
        if node.op_type in BETWEEN:
            reads = node.input[:1] if node.op_type == "Resize" else node.input
            made = [maker[i].name for i in reads if i in maker]
            within = made and all(name in chosen for name in made)
            # what is joined for a convolution is rounded once, joined
            joined = node.op_type == "Concat" and set(readers[node.output[0]]) == {"Conv"}
            if within or joined:
                chosen.add(node.name)
    return [n.name for n in graph.node if n.name in chosen]


def quantise(source: Path, target: Path, stays: tuple[str, ...], feeds: list[Feeds]) -> None:
    """Write one graph with its chosen nodes in 8 bits; its metadata stays."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / source.name
        options = ort.SessionOptions()  # folds the casts of weights stored as float16
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(plain)
        ort.InferenceSession(str(source), options)
        quantize_static(
            plain,
            target,
            Asked(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", *BETWEEN],
            nodes_to_quantize=choose(onnx.load(plain).graph, stays),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            **METHODS[source.name],
        )
    before, model = onnx.load(source), onnx.load(target)
    facts = {p.key: p.value for p in before.metadata_props}
    onnx.helper.set_model_props(model, facts)
    model.producer_name = before.producer_name
    opset = [o for o in model.opset_import if o.domain in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(opset)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of the float pair")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=6, help="pictures of a kind to take ranges of")
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()
    pictures = [p for p in read_real(args.data, "final") if not p.held]
    asked = ask(args.model, pictures, args.each, np.random.default_rng(args.seed))
    args.out.mkdir(parents=True, exist_ok=True)
    for (name, stays), feeds in zip(FLOAT.items(), asked, strict=True):
        quantise(args.model / name, args.out / name, stays, feeds)
        print(f"{name}: {(args.out / name).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
