"""Attention with relative positions as one operation that makes no square of scores.

In SAM's encoders a score of two tokens is a product of 64 channels plus what the row and the
column of the one say of the other's, two tensors that are added to 12 squares of 4,096 tokens:
three gigabytes for ViT-B. With the rows and columns as channels of their own, the query's what it
says of each row and column and the key's a 1 at its own, it is one product of 64 + 64 + 64
channels, and ONNX Runtime's ``MultiHeadAttention`` takes it tile by tile (Dao et al. 2022).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto, helper, numpy_helper, shape_inference

_MICROSOFT = "com.microsoft"


class _Found(NamedTuple):
    """Tensors of an attention: q (B, N, c), k, v, rows (B, h, w, h), columns (B, h, w, w)."""

    q: str
    k: str
    v: str
    rows: str
    columns: str
    answer: str


def fuse_attention(model: Any) -> tuple[str, ...]:
    """Rewrite the attentions of a graph that have relative positions.

    Parameters
    ----------
    model : onnx.ModelProto
        Changed in place. Its weights may be elsewhere.

    Returns
    -------
    tuple of str
        What the rewritten attentions answer, first to last.
    """
    graph = model.graph
    reader = _Reader(graph)
    found = [f for node in graph.node if (f := reader.find(node)) is not None]
    if found:
        ranks = _infer_ranks(model)
        found = [f for f in found if [ranks.get(name) for name in f] == [3, 3, 3, 4, 4, 3]]
    if not found:
        return ()
    written = {f.answer: _write(f) for f in found}
    nodes: list[Any] = []
    for node in graph.node:
        nodes += written.get(node.output[0], [node])
    _keep(graph, nodes, {value.name for value in graph.output})
    if all(entry.domain != _MICROSOFT for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_MICROSOFT, 1))
    return tuple(f.answer for f in found)


def keep_only(model: Any, tensor: str) -> None:
    """Leave of a graph what makes one tensor, which becomes its output."""
    del model.graph.output[:]
    model.graph.output.append(helper.make_empty_tensor_value_info(tensor))
    _keep(model.graph, list(model.graph.node), {tensor})


class _Reader:
    """Recognises attentions."""

    def __init__(self, graph: Any) -> None:
        self._makers = {name: node for node in graph.node for name in node.output}
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        self._takers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self._takers.setdefault(name, []).append(node)

    def find(self, softmax: Any) -> _Found | None:
        """Recognise softmax(q · kᵀ + rows + columns) · v from its middle."""
        if softmax.op_type != "Softmax" or _read(softmax, "axis", -1) not in (-1, 2):
            return None
        takers = self._takers.get(softmax.output[0], [])
        if [(node.op_type, node.input[0]) for node in takers] != [("MatMul", softmax.output[0])]:
            return None
        flat = self._make(softmax.input[0], "Reshape")
        terms = [] if flat is None else self._add_up(flat.input[0])
        by_axis = {axis: name for name, axis in map(self._widen, terms) if axis}
        products = [node for name in terms if (node := self._make(name, "Reshape")) is not None]
        if len(terms) != 3 or set(by_axis) != {3, 4} or len(products) != 1:
            return None
        product = self._make(products[0].input[0], "MatMul")
        turned = None if product is None else self._make(product.input[1], "Transpose")
        if product is None or turned is None or _read(turned, "perm", None) != [0, 2, 1]:
            return None
        q, k, v = product.input[0], turned.input[0], takers[0].input[1]
        return _Found(q, k, v, by_axis[4], by_axis[3], takers[0].output[0])

    def _make(self, name: str, kind: str) -> Any:
        """Find the node that makes a tensor, if it is of this kind."""
        node = self._makers.get(name)
        return node if node is not None and node.op_type == kind else None

    def _add_up(self, name: str) -> list[str]:
        """List the tensors whose sum a tensor is."""
        node = self._make(name, "Add")
        return [name] if node is None else [t for part in node.input for t in self._add_up(part)]

    def _widen(self, name: str) -> tuple[str, int]:
        """Tell which tensor of four axes one of five is, and where the new axis is; or 0."""
        node = self._make(name, "Unsqueeze")
        if node is None:
            return "", 0
        axes = _read(node, "axes", None)
        if axes is None and len(node.input) == 2:
            axes = self._value(node.input[1])
        axis = axes[0] if axes is not None and len(axes) == 1 else 0
        return node.input[0], int(axis) % 5

    def _value(self, name: str) -> list[int] | None:
        """Give the value of a small weight."""
        node = self._make(name, "Constant")
        tensor = self._weights.get(name) if node is None else _read(node, "value", None)
        if tensor is None or tensor.external_data:
            return None
        return [int(value) for value in numpy_helper.to_array(tensor).ravel()]


def _read(node: Any, name: str, default: Any) -> Any:
    for kept in node.attribute:
        if kept.name == name:
            return helper.get_attribute_value(kept)
    return default


def _infer_ranks(model: Any) -> dict[str, int]:
    """Tell how many axes tensors of single precision have, as far as their shapes are known."""
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    return {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in inferred.graph.value_info
        if value.type.tensor_type.HasField("shape")
        and value.type.tensor_type.elem_type == TensorProto.FLOAT
    }


def _write(found: _Found) -> list[Any]:
    """Write the nodes of an attention."""
    nodes: list[Any] = []

    def add(kind: str, *inputs: str, out: str = "", domain: str = "", **attributes: Any) -> str:
        out = out or f"{found.answer}:{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [out], domain=domain, **attributes))
        return out

    def whole(*values: int) -> str:
        return add("Constant", value=numpy_helper.from_array(np.array(values, np.int64)))

    def side(tensor: str, axis: int) -> str:
        return add("Slice", add("Shape", tensor), whole(axis), whole(axis + 1))

    def ones_at_own(length: str) -> str:
        square = add("Concat", length, length, axis=0)
        nothing = numpy_helper.from_array(np.zeros(1, np.float32))
        return add("EyeLike", add("ConstantOfShape", square, value=nothing))

    height, width = side(found.rows, 3), side(found.columns, 3)
    batch, tokens = side(found.q, 0), side(found.q, 1)
    own_row = add("Unsqueeze", ones_at_own(height), whole(1))
    own_column = add("Unsqueeze", ones_at_own(width), whole(0))
    said, own = [], []
    for positions, ones, channels in (
        (found.rows, own_row, height),
        (found.columns, own_column, width),
    ):
        flat = add("Concat", tokens, channels, axis=0)
        everywhere = add("Concat", height, width, channels, axis=0)
        said.append(add("Reshape", positions, add("Concat", batch, flat, axis=0)))
        own.append(add("Reshape", add("Expand", ones, everywhere), flat))
    # added to zeros made of k, so that they are not laid out for each head when a file is opened
    some = add("Slice", found.k, whole(0, 0), whole(1, 1), whole(1, 2))
    nothing = add(
        "Mul", some, add("Constant", value=numpy_helper.from_array(np.zeros(1, np.float32)))
    )
    spread = add("Add", add("Concat", *own, axis=1), nothing)
    q, k = add("Concat", found.q, *said, axis=2), add("Concat", found.k, spread, axis=2)
    heads = {"num_heads": 1, "scale": 1.0}  # the batch has a row for each head
    add("MultiHeadAttention", q, k, found.v, out=found.answer, domain=_MICROSOFT, **heads)
    return nodes


def _keep(graph: Any, nodes: list[Any], wanted: set[str]) -> None:
    """Keep those nodes and weights that make what is wanted."""
    needed, kept = set(wanted), []
    for node in reversed(nodes):  # nodes stand behind what they take
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(weights)
