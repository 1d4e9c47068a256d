"""Write an ONNX graph: nodes and weights of our own, and nodes copied from another graph.

Names of our own hold a colon, which no exporter writes: ``c:`` for what stays inside, ``p:``
for what is computed once per picture, ``t:`` for what the tokens' graph hands to the masks'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from napari_sam_onnx.models.onnx.compile.structure.graph import Graph

_IR_VERSION = 8
_OWN_OPSET = 17  # the first with LayerNormalization
_CHANGED_OPSET = 18  # reductions take axes as an input from here on


class Writer:
    """Collects nodes and weights.

    Parameters
    ----------
    graph : Graph
        The graph that nodes are copied from; decides the opset.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.opset = max(graph.opset, _OWN_OPSET)
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}
        self._count = 0

    def constant(self, value: ArrayLike, name: str = "") -> str:
        """Add a weight: float32, or int64 where the value is whole."""
        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        name = name or self._fresh()
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def add(self, kind: str, *inputs: str | ArrayLike, out: str = "", **attributes: Any) -> str:
        """Add a node with one output, and name that output."""
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        out = out or self._fresh()
        self.nodes.append(helper.make_node(kind, names, [out], **attributes))
        return out

    def split(self, tensor: str, sizes: Sequence[int], axis: int = 0) -> list[str]:
        """Cut a tensor along an axis."""
        outputs = [self._fresh() for _ in sizes]
        names = [tensor, self.constant(list(sizes))]
        self.nodes.append(helper.make_node("Split", names, outputs, axis=axis))
        return outputs

    def reshape(self, tensor: str, *sides: int, out: str = "") -> str:
        """Reshape; 0 keeps a side."""
        return self.add("Reshape", tensor, list(sides), out=out)

    def multiply(self, a: str, b: str | ArrayLike, *, turn: str = "", out: str = "") -> str:
        """Multiply matrices; `turn` names the one that is transposed, "a" or "b"."""
        if not turn:
            return self.add("MatMul", a, b, out=out)
        turned = {"transA": int("a" in turn), "transB": int("b" in turn)}
        return self.add("FusedMatMul", a, b, out=out, domain="com.microsoft", **turned)

    def reduce(self, kind: str, tensor: str, axis: int) -> str:
        """Reduce one axis, which stays with length 1."""
        if kind == "ReduceSum" or self.opset >= _CHANGED_OPSET:
            return self.add(kind, tensor, [axis], keepdims=1)
        return self.add(kind, tensor, axes=[axis], keepdims=1)

    def side(self, tensor: str, first: int, last: int) -> str:
        """Read some sides of a tensor, as a tensor of integers."""
        return self.add("Slice", self.add("Shape", tensor), [first], [last])

    def copy(self, targets: Iterable[str], known: Iterable[str]) -> None:
        """Copy all nodes that tensors of the other graph are made by.

        Parameters
        ----------
        targets : iterable of str
            The tensors wanted.
        known : iterable of str
            Tensors that are there already and end the search.
        """
        ends = set(known) | {""} | set(self.weights)
        ends.update(name for node in self.nodes for name in node.output)
        waiting, numbers, seen = list(targets), set(), set(ends)
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in self.graph.weights:
                self.weights[name] = self.graph.weights[name]
                continue
            number = self.graph.position[name]
            numbers.add(number)
            waiting += self.graph.nodes[number].input
        made = {name for node in self.nodes for name in node.output}
        copied = (self.graph.nodes[number] for number in sorted(numbers))
        self.nodes += [node for node in copied if not made.intersection(node.output)]

    def taken(self) -> set[str]:
        """Tensors that nodes take and none makes."""
        made = {name for node in self.nodes for name in node.output} | set(self.weights)
        return {name for node in self.nodes for name in node.input} - made - {""}

    def finish(self, inputs: Mapping[str, Any], outputs: Iterable[str]) -> bytes:
        """Put the graph together.

        Parameters
        ----------
        inputs : mapping of str to ValueInfoProto or None
            None for float32 of any shape. Those that are not taken are left out.
        outputs : iterable of str

        Returns
        -------
        bytes
            The content of an ONNX file.
        """
        taken = self.taken()
        used = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, info) if info is None else info
            for name, info in inputs.items()
            if name in taken
        ]
        graph = helper.make_graph(
            _sort(self.nodes, {value.name for value in used} | set(self.weights)),
            "compiled",
            used,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            list(self.weights.values()),
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = _IR_VERSION
        return bytes(model.SerializeToString())

    def _fresh(self) -> str:
        self._count += 1
        return f"c:{self._count}"


def _sort(nodes: list[Any], known: set[str]) -> list[Any]:
    """Put every node behind those that it takes from."""
    makers = {name: number for number, node in enumerate(nodes) for name in node.output}
    order: list[int] = []
    placed: set[int] = set()
    for start in range(len(nodes)):
        waiting = [start]
        while waiting:
            number = waiting[-1]
            before = {makers[n] for n in nodes[number].input if n in makers and n not in known}
            missing = before - placed
            if missing and number not in placed:
                waiting += missing
                continue
            waiting.pop()
            if number not in placed:
                placed.add(number)
                order.append(number)
    return [nodes[number] for number in order]
