"""Find layers by how nodes hang together: linear layers, attentions, normalisations.

Exporters write the same layer in several ways; names of nodes and weights are never read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.models.onnx.compile.structure.graph import attribute
from napari_sam_onnx.models.onnx.compile.structure.refusal import NotCompilableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.compile.structure.graph import Graph

_REARRANGING = ("Transpose", "Reshape", "Identity", "Unsqueeze", "Squeeze")
_STEPS = 12  # nodes between a linear layer and what its output is multiplied with


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """``output = input @ weight + bias``; ``weight`` is (in, out)."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    input: str
    output: str


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """``output = out(softmax(q @ k.T * scale) @ v)``; `scores` is what the softmax takes."""

    q: Linear
    k: Linear
    v: Linear
    out: Linear
    scores: str


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """Normalisation over channels, with what it gives."""

    scale: NDArray[np.float64]
    bias: NDArray[np.float64]
    epsilon: float
    output: str


def find_attentions(graph: Graph) -> list[Attention]:
    """Find all attentions of a graph, in the order in which they run."""
    found = []
    for node in graph.nodes:
        if node.op_type == "Softmax" and node.output[0] in graph.varying:
            product = _behind(graph, node.input[0], ("Mul", "Div", "Identity", "Add"), "MatMul")
            weighed = [n for n in graph.takers(node.output[0]) if n.op_type == "MatMul"]
            if len(weighed) != 1:
                raise NotCompilableError("an attention of its is written in an unknown way")
            found.append(
                Attention(
                    _linear_behind(graph, product.input[0]),
                    _linear_behind(graph, product.input[1]),
                    _linear_behind(graph, weighed[0].input[1]),
                    _linear_ahead(graph, weighed[0].output[0]),
                    node.input[0],
                )
            )
    return found


def find_norm(graph: Graph, name: str) -> Norm:
    """Find the normalisation that a tensor goes into, perhaps after others are added to it."""
    for _ in range(4):
        takers = graph.takers(name)
        for node in takers:
            if node.op_type == "LayerNormalization":
                scale, bias = (_weight(graph, n) for n in node.input[1:3])
                epsilon = float(attribute(node, "epsilon", 1e-5))
                return Norm(scale, bias, epsilon, node.output[0])
        if any(node.op_type == "ReduceMean" for node in takers):
            return _read_written_norm(graph, takers)
        sums = [node for node in takers if node.op_type == "Add"]
        if len(sums) != 1:
            break
        name = sums[0].output[0]
    raise NotCompilableError("a normalisation is not where SAM has one")


def _read_written_norm(graph: Graph, takers: list[Any]) -> Norm:
    """Read ``(x - mean) / sqrt(variance + epsilon) * scale + bias``, node by node."""
    centred = next(node for node in takers if node.op_type == "Sub").output[0]
    divided = next(node for node in graph.takers(centred) if node.op_type == "Div")
    root = graph.maker(divided.input[1])
    epsilon = next(
        float(value.reshape(-1)[0])
        for value in map(graph.value, graph.maker(root.input[0]).input)
        if value is not None
    )
    (scaled,) = graph.takers(divided.output[0])
    (shifted,) = graph.takers(scaled.output[0])
    if (scaled.op_type, shifted.op_type) != ("Mul", "Add"):
        raise NotCompilableError("a normalisation of its is written in an unknown way")
    scale, bias = (
        next(value for value in map(graph.value, node.input) if value is not None)
        for node in (scaled, shifted)
    )
    return Norm(_flat(scale), _flat(bias), epsilon, shifted.output[0])


def _flat(value: NDArray[Any]) -> NDArray[np.float64]:
    return value.reshape(-1).astype(np.float64)


def _weight(graph: Graph, name: str) -> NDArray[np.float64]:
    value = graph.value(name)
    if value is None:
        raise NotCompilableError("a weight of its is computed")
    return value.astype(np.float64)


def _behind(graph: Graph, name: str, through: tuple[str, ...], kind: str) -> Any:
    """Find the node of a kind behind a tensor, past nodes that are let through."""
    for _ in range(_STEPS):
        node = graph.maker(name)
        if node is None:
            break
        if node.op_type == kind:
            return node
        moving = [i for i in node.input if i in graph.varying]
        if node.op_type not in through or len(moving) != 1:
            break
        name = moving[0]
    raise NotCompilableError("an attention of its is written in an unknown way")


def _linear_ending_at(graph: Graph, name: str) -> Linear | None:
    """Find the linear layer whose output a tensor is, or None."""
    node = graph.maker(name)
    if node is None:
        return None
    if node.op_type == "Gemm":
        weight = graph.value(node.input[1])
        plain = [attribute(node, key, default) for key, default in _GEMM.items()]
        if weight is None or plain != list(_GEMM.values()):
            return None
        weight = weight.T if attribute(node, "transB", 0) else weight
        bias = graph.value(node.input[2]) if len(node.input) > 2 else None
        return _make_linear(weight, bias, node.input[0], name)
    if node.op_type == "MatMul":
        weight = graph.value(node.input[1])
        is_matrix = weight is not None and weight.ndim == 2
        return _make_linear(weight, None, node.input[0], name) if is_matrix else None
    if node.op_type == "Add":
        for bias_name, product_name in (node.input, node.input[::-1]):
            bias = graph.value(bias_name)
            product = graph.maker(product_name)
            if bias is None or bias.ndim != 1 or product is None or product.op_type != "MatMul":
                continue
            weight = graph.value(product.input[1])
            if weight is not None and weight.ndim == 2:
                return _make_linear(weight, bias, product.input[0], name)
    return None


_GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0}


def _make_linear(
    weight: NDArray[Any] | None, bias: NDArray[Any] | None, taken: str, given: str
) -> Linear:
    assert weight is not None
    flat = np.zeros(weight.shape[1]) if bias is None else bias.astype(np.float64).reshape(-1)
    return Linear(weight.astype(np.float64), flat, taken, given)


def _linear_behind(graph: Graph, name: str) -> Linear:
    """Find the linear layer that a tensor was rearranged and scaled from."""
    for _ in range(_STEPS):
        found = _linear_ending_at(graph, name)
        if found is not None:
            return found
        node = graph.maker(name)
        if node is None or node.op_type not in (*_REARRANGING, "Mul", "Div"):
            break
        moving = [i for i in node.input if i in graph.varying]
        if len(moving) != 1:
            break
        name = moving[0]
    raise NotCompilableError("an attention of its is written in an unknown way")


def _linear_ahead(graph: Graph, name: str) -> Linear:
    """Find the linear layer that a tensor is rearranged for."""
    for _ in range(_STEPS):
        takers = graph.takers(name)
        for node in takers:
            added = [n for n in graph.takers(node.output[0]) if n.op_type == "Add"]
            ends = [n.output[0] for n in added] + [node.output[0]]
            if node.op_type in ("MatMul", "Gemm"):
                for end in ends:
                    found = _linear_ending_at(graph, end)
                    if found is not None:
                        return found
        if len(takers) != 1 or takers[0].op_type not in _REARRANGING:
            break
        name = takers[0].output[0]
    raise NotCompilableError("an attention of its is written in an unknown way")
