"""A small hand for writing ONNX graphs: each call adds a node and returns its output."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "uint8": TensorProto.UINT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
}

Shape = "Sequence[int | str | None]"


class Graph:
    """A graph that grows node by node."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._numbers = count()

    def take(self, name: str, shape: Shape, dtype: str = "float32") -> str:
        self._inputs.append(helper.make_tensor_value_info(name, TYPES[dtype], list(shape)))
        return name

    def constant(self, value: Any, dtype: str = "float32") -> str:
        name = f"constant_{next(self._numbers)}"
        array = np.asarray(value, dtype)
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"value_{next(self._numbers)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def cast(self, value: str, dtype: str = "float32") -> str:
        return self.add("Cast", value, to=TYPES[dtype])

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        return self.add("Reshape", value, self.constant(shape, "int64"))

    def part(self, value: str, axis: int, start: int, stop: int) -> str:
        bounds = (self.constant([bound], "int64") for bound in (start, stop, axis))
        return self.add("Slice", value, *bounds)

    def side(self, value: str, axis: int) -> str:
        """Length of an axis, as a tensor of one int64."""
        return self.part(self.add("Shape", value), 0, axis, axis + 1)

    def over(self, kind: str, value: str, axis: int, *, keep: bool = False) -> str:
        """Reduce over one axis; sums take the axis as an input, others as an attribute."""
        if kind == "ReduceSum":
            return self.add(kind, value, self.constant([axis], "int64"), keepdims=int(keep))
        return self.add(kind, value, axes=[axis], keepdims=int(keep))

    def give(self, value: str, name: str, shape: Shape, dtype: str = "float32") -> None:
        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"give_{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, TYPES[dtype], list(shape)))

    def save(self, path: Path, opset: int = 17) -> Path:
        graph = helper.make_graph(
            self._nodes, "graph", self._inputs, self._outputs, self._constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, str(path))
        return path
