"""Join two pairs and a gate into one pair, or take one of the two out of it again.

    python mixture.py join --first ROUND --second SHAPES --gate gate.json --out PAIR
    python mixture.py part --model PAIR --which first --out ROUND

The first layers of the first encoder run always; the gate reads the mean and the deviation of their
channels, and an ONNX ``If`` runs either what is left of the first encoder or the second one. The
last channel of ``context`` says which it was (0 or 1), and the decoder's ``If`` goes by that. So
the pair has the inputs and outputs of one of the two and answers exactly as the chosen one does.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTEXT = 48  # channels of the context; the flag comes behind them
FLAGGED, FLAG = "context", "/flagged"
PREFIX = {"first": "first/", "second": "second/"}
NAMES = ("encoder.onnx", "decoder.onnx")


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """The second model is taken where ``weights @ statistics + bias`` is above 0.

    ``levels`` are names of values of the first encoder's graph; ``weights`` holds, level after
    level, one number for the mean of each channel and then one for each deviation.
    """

    levels: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: float

    @classmethod
    def read(cls, path: Path) -> Gate:
        """Read what ``gate.py`` wrote."""
        told = json.loads(path.read_text(encoding="utf-8"))
        return cls(tuple(told["levels"]), np.array(told["weights"], np.float32), told["bias"])


def constant(name: str, value: NDArray[np.generic]) -> TensorProto:
    """Name a value as a weight of a graph."""
    return numpy_helper.from_array(np.asarray(value), name)


def needed(graph: GraphProto, wanted: set[str]) -> list[NodeProto]:
    """Nodes that some values need, in order."""
    wanted, kept = set(wanted), []
    for node in reversed(graph.node):
        if not wanted.isdisjoint(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def renamed(nodes: list[NodeProto], names: dict[str, str]) -> list[NodeProto]:
    """Copy nodes and give their values other names."""
    copies = []
    for node in nodes:
        copy = NodeProto()
        copy.CopyFrom(node)
        for values in (copy.input, copy.output):
            new = [names.get(v, v) for v in values]
            del values[:]
            values.extend(new)
        copies.append(copy)
    return copies


def weights_of(graph: GraphProto, nodes: list[NodeProto]) -> list[TensorProto]:
    """Weights that nodes take."""
    taken = {v for node in nodes for v in node.input}
    return [t for t in graph.initializer if t.name in taken]


def branch(
    graph: GraphProto, nodes: list[NodeProto], outside: set[str], which: str, flag: bool
) -> GraphProto:
    """Make a branch of an ``If`` of some nodes of a graph.

    Parameters
    ----------
    graph : GraphProto
        Whose outputs the branch gives.
    nodes : list of NodeProto
    outside : set of str
        Values that the branch takes from around it under their names.
    which : {"first", "second"}
    flag : bool
        Whether to give the context a channel more, which says which.
    """
    own = {v for node in nodes for v in (*node.input, *node.output) if v} - outside
    names = {v: PREFIX[which] + v for v in own}
    body, weights = renamed(nodes, names), []
    for tensor in weights_of(graph, nodes):
        copy = TensorProto()
        copy.CopyFrom(tensor)
        copy.name = names[tensor.name]
        weights.append(copy)
    outputs = []
    for value in graph.output:
        name = names[value.name]
        if flag and value.name == FLAGGED:
            end = name + FLAG
            body += [
                helper.make_node("ReduceMean", [name], [end + "/mean"], axes=[1], keepdims=1),
                helper.make_node("Mul", [end + "/mean", end + "/zero"], [end + "/none"]),
                helper.make_node("Add", [end + "/none", end + "/which"], [end + "/map"]),
                helper.make_node("Concat", [name, end + "/map"], [end], axis=1),
            ]
            weights += [
                constant(end + "/zero", np.float32(0)),
                constant(end + "/which", np.float32(which == "second")),
            ]
            name = end
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return helper.make_graph(body, which, [], outputs, weights)


def choose(condition: str, graph: GraphProto, first: GraphProto, second: GraphProto) -> NodeProto:
    """Make the ``If`` that gives the outputs of a graph."""
    outputs = [v.name for v in graph.output]
    return helper.make_node(
        "If", [condition], outputs, "which", then_branch=second, else_branch=first
    )


def gate_nodes(gate: Gate) -> tuple[list[NodeProto], list[TensorProto]]:
    """Make the gate's nodes and weights; ``gate/second`` says whether the second one is taken."""
    nodes, parts = [], []
    for k, level in enumerate(gate.levels):
        mean, square, middle = (f"gate/{k}/{n}" for n in ("mean", "square", "squares"))
        at = f"gate/{k}/"
        nodes += [
            helper.make_node("ReduceMean", [level], [mean], axes=[2, 3], keepdims=0),
            helper.make_node("Mul", [level, level], [square]),
            helper.make_node("ReduceMean", [square], [middle], axes=[2, 3], keepdims=0),
            helper.make_node("Mul", [mean, mean], [at + "mean2"]),
            helper.make_node("Sub", [middle, at + "mean2"], [at + "raw"]),
            helper.make_node("Relu", [at + "raw"], [at + "variance"]),
            helper.make_node("Sqrt", [at + "variance"], [at + "deviation"]),
        ]
        parts += [mean, at + "deviation"]
    nodes += [
        helper.make_node("Concat", parts, ["gate/statistics"], axis=1),
        helper.make_node(
            "Gemm", ["gate/statistics", "gate/weights", "gate/bias"], ["gate/score"], "gate"
        ),
        helper.make_node("Squeeze", ["gate/score"], ["gate/scalar"]),
        helper.make_node("Greater", ["gate/scalar", "gate/zero"], ["gate/second"]),
    ]
    weights = [
        constant("gate/weights", gate.weights.reshape(-1, 1)),
        constant("gate/bias", np.array([gate.bias], np.float32)),
        constant("gate/zero", np.float32(0)),
    ]
    return nodes, weights


def widen(graph: GraphProto, channels: int = CONTEXT + 1) -> None:
    """State how many channels the context of a graph has."""
    for value in (*graph.input, *graph.output):
        if value.name == FLAGGED:
            value.type.tensor_type.shape.dim[1].dim_value = channels


def join_encoders(first: ModelProto, second: ModelProto, gate: Gate) -> ModelProto:
    """One encoder of two and a gate."""
    graph, other = first.graph, second.graph
    common = needed(graph, set(gate.levels))
    seen = {v for node in common for v in node.output} | {v.name for v in graph.input}
    rest = [n for n in graph.node if seen.isdisjoint(n.output)]
    # what comes before the first convolution is the same in both
    start = next(i for i, n in enumerate(graph.node) if n.op_type == "Conv")
    prepared = graph.node[start].input[0]
    theirs = next(n for n in other.node if n.op_type == "Conv").input[0]
    if prepared != theirs:
        raise ValueError("The two encoders do not prepare pictures in the same way.")
    before = {v for n in needed(other, {theirs}) for v in n.output}
    body = [n for n in other.node if before.isdisjoint(n.output)]
    nodes, weights = gate_nodes(gate)
    a = branch(graph, rest, seen, "first", flag=True)
    b = branch(other, body, before, "second", flag=True)
    made = helper.make_graph(
        [*common, *nodes, choose("gate/second", graph, a, b)],
        "encoder",
        list(graph.input),
        list(graph.output),
        [*weights_of(graph, common), *weights],
    )
    widen(made)
    return finished(made, first)


def join_decoders(first: ModelProto, second: ModelProto) -> ModelProto:
    """One decoder of two, which goes by the last channel of the context."""
    graph = first.graph
    nodes = [
        helper.make_node("Slice", [FLAGGED, "gate/from", "gate/to", "gate/axes"], ["gate/flag"]),
        helper.make_node("Squeeze", ["gate/flag"], ["gate/scalar"]),
        helper.make_node("Greater", ["gate/scalar", "gate/half"], ["gate/second"]),
        helper.make_node(
            "Slice", [FLAGGED, "gate/start", "gate/width", "gate/channels"], ["gate/context"]
        ),
    ]
    weights = [
        constant("gate/from", np.array([CONTEXT, 0, 0], np.int64)),
        constant("gate/to", np.array([CONTEXT + 1, 1, 1], np.int64)),
        constant("gate/axes", np.array([1, 2, 3], np.int64)),
        constant("gate/half", np.float32(0.5)),
        constant("gate/start", np.array([0], np.int64)),
        constant("gate/width", np.array([CONTEXT], np.int64)),
        constant("gate/channels", np.array([1], np.int64)),
    ]
    inputs = {v.name for v in graph.input}
    branches = []
    for which, model in (("first", first), ("second", second)):
        body = renamed(list(model.graph.node), {FLAGGED: "gate/context"})
        outside = inputs | {"gate/context"}
        branches.append(branch(model.graph, body, outside, which, flag=False))
    made = helper.make_graph(
        [*nodes, choose("gate/second", graph, *branches)],
        "decoder",
        list(graph.input),
        list(graph.output),
        weights,
    )
    widen(made)
    return finished(made, first)


def finished(graph: GraphProto, like: ModelProto) -> ModelProto:
    """Make a model of a graph, with the facts of another model."""
    model = helper.make_model(graph, opset_imports=list(like.opset_import))
    model.ir_version = like.ir_version
    model.producer_name = like.producer_name
    helper.set_model_props(model, {p.key: p.value for p in like.metadata_props})
    onnx.checker.check_model(model)
    return model


def join(first: Path, second: Path, gate: Gate, out: Path) -> None:
    """Write the pair that is made of two and a gate."""
    out.mkdir(parents=True, exist_ok=True)
    encoders, decoders = ([onnx.load(f / name) for f in (first, second)] for name in NAMES)
    onnx.save(join_encoders(*encoders, gate), out / NAMES[0])
    onnx.save(join_decoders(*decoders), out / NAMES[1])


def take_out(model: ModelProto, which: str) -> ModelProto:
    """Return one of the two models that a joined one was made of."""
    inner = {a.name: a.g for a in model.graph.node[-1].attribute}
    graph = inner["else_branch" if which == "first" else "then_branch"]
    prefix, flag = PREFIX[which], PREFIX[which] + FLAGGED + FLAG
    body = [n for n in graph.node if not n.output[0].startswith(flag)]
    made = {v for n in body for v in n.output} | {t.name for t in graph.initializer}
    shared = needed(model.graph, {v for n in body for v in n.input} - made - {"gate/context"})
    nodes = [*shared, *body]
    names = {v: v.removeprefix(prefix) for n in nodes for v in (*n.input, *n.output)}
    names["gate/context"] = FLAGGED
    weights = []
    for tensor in (*weights_of(model.graph, shared), *graph.initializer):
        if tensor.name in names:
            copy = TensorProto()
            copy.CopyFrom(tensor)
            copy.name = names[tensor.name]
            weights.append(copy)
    inputs, outputs = list(model.graph.input), list(model.graph.output)
    one = helper.make_graph(renamed(nodes, names), model.graph.name, inputs, outputs, weights)
    widen(one, CONTEXT)
    return finished(one, model)


def part(folder: Path, which: str, out: Path) -> None:
    """Write one of the two pairs that a joined one was made of."""
    out.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        onnx.save(take_out(onnx.load(folder / name), which), out / name)


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    commands = p.add_subparsers(dest="command", required=True)
    one = commands.add_parser("join", help="two pairs and a gate")
    one.add_argument("--first", type=Path, required=True, help="folder of a pair")
    one.add_argument("--second", type=Path, required=True, help="folder of the other pair")
    one.add_argument("--gate", type=Path, required=True, help="what gate.py wrote")
    other = commands.add_parser("part", help="one of the two again")
    other.add_argument("--model", type=Path, required=True, help="folder of the joined pair")
    other.add_argument("--which", choices=list(PREFIX), required=True)
    for command in (one, other):
        command.add_argument("--out", type=Path, required=True)
    args = p.parse_args()
    if args.command == "join":
        join(args.first, args.second, Gate.read(args.gate), args.out)
    else:
        part(args.model, args.which, args.out)


if __name__ == "__main__":
    main()
