"""Read an ONNX graph: who makes a tensor, who takes it, and what depends on the inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from napari_sam_onnx.models.onnx.compile.structure.refusal import NotCompilableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUANTISED = ("QLinear", "Quantize", "Dequantize", "MatMulInteger", "ConvInteger", "MatMulNBits")
_RESHAPING = ("Identity", "Transpose", "Squeeze", "Unsqueeze", "Reshape")


class Graph:
    """The nodes of a model, by what they make and take.

    Parameters
    ----------
    model : onnx.ModelProto
        With its weights loaded.

    Raises
    ------
    NotCompilableError
        If weights are of half precision or quantised, which the factoring is not for.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.nodes: list[Any] = list(model.graph.node)
        self.weights: dict[str, Any] = {tensor.name: tensor for tensor in model.graph.initializer}
        self.inputs: dict[str, Any] = {
            value.name: value for value in model.graph.input if value.name not in self.weights
        }
        self.opset = max(
            (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
            default=0,
        )
        self._refuse_precisions()
        self.position: dict[str, int] = {}
        self._takers: dict[str, list[Any]] = {}
        self.varying = set(self.inputs)  # tensors whose values, not only sizes, depend on inputs
        for number, node in enumerate(self.nodes):
            for name in node.output:
                self.position[name] = number
            for name in node.input:
                self._takers.setdefault(name, []).append(node)
            if node.op_type not in ("Shape", "Size") and self.varying.intersection(node.input):
                self.varying.update(node.output)

    def _refuse_precisions(self) -> None:
        half = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
        if any(tensor.data_type in half for tensor in self.weights.values()):
            raise NotCompilableError("its weights are of half precision")
        for node in self.nodes:
            if any(word in node.op_type for word in _QUANTISED):
                raise NotCompilableError("its weights are quantised")
            if any(attribute.HasField("g") for attribute in node.attribute):
                raise NotCompilableError("it has branches or loops")

    def maker(self, name: str) -> Any:
        """Find the node that makes a tensor, or None."""
        number = self.position.get(name)
        return None if number is None else self.nodes[number]

    def takers(self, name: str) -> list[Any]:
        """List the nodes that read a tensor's values."""
        return [node for node in self._takers.get(name, []) if node.op_type != "Shape"]

    def shapes_of(self, name: str) -> list[str]:
        """List what the nodes give that read a tensor's sides."""
        return [node.output[0] for node in self._takers.get(name, []) if node.op_type == "Shape"]

    def value(self, name: str) -> NDArray[Any] | None:
        """Give the value of a tensor that is a weight or a rearranged weight, else None."""
        if name in self.weights:
            return np.asarray(numpy_helper.to_array(self.weights[name]))
        node = self.maker(name)
        if node is None or name in self.varying:
            return None
        if node.op_type == "Constant":
            kept = node.attribute[0]
            stated = helper.get_attribute_value(kept)
            return np.asarray(numpy_helper.to_array(kept.t) if kept.name == "value" else stated)
        if node.op_type not in _RESHAPING:
            return None
        value = self.value(node.input[0])
        if value is None or node.op_type == "Identity":
            return value
        if node.op_type == "Transpose":
            return value.transpose(attribute(node, "perm", None))
        if node.op_type == "Squeeze":
            return value.squeeze()
        return None


def attribute(node: Any, name: str, default: Any) -> Any:
    """Read an attribute of a node, or what it is where the node says nothing."""
    for kept in node.attribute:
        if kept.name == name:
            return helper.get_attribute_value(kept)
    return default
