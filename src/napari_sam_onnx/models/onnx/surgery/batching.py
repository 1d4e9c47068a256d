"""Let a decoder that was exported for one prompt take several.

SAM 1's decoders state a batch of 1 for the prompts although their graphs compute any. This
rewrites the statement, and drops the shapes that were inferred from it, in the bytes of the
file: four levels of Protocol Buffers fields. Whether
the graph really computes any is for a probe to find out.

Field numbers are those of onnx.proto3: ModelProto.graph 7; GraphProto.input 11, output 12,
value_info 13; ValueInfoProto.name 1, type 2; TypeProto.tensor_type 1; Tensor.shape 2;
TensorShapeProto.dim 1; Dimension.dim_value 1, dim_param 2.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam_onnx.models.onnx.surgery.protobuf import change_fields, cut_fields, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_GRAPH, _INPUT, _OUTPUT, _VALUE_INFO = 7, 11, 12, 13
_NAME, _TYPE, _TENSOR, _SHAPE, _DIM, _DIM_PARAM = 1, 2, 1, 2, 1, 2


def open_axis(model: bytes, axes: Mapping[str, int]) -> bytes:
    """Make one axis of some inputs symbolic.

    Parameters
    ----------
    model : bytes
        An ONNX file.
    axes : mapping of str to int
        For each input to change, the axis to open. The axes of all get the same symbol.

    Returns
    -------
    bytes
        The file with the axes open, and with the shapes of all outputs and intermediate
        values forgotten. What is not understood is kept byte for byte.

    Raises
    ------
    ValueError
        If the bytes are no Protocol Buffers message, or an input is not there.
    """
    missing = set(axes)

    def change_graph(graph: bytes) -> bytes:
        parts = []
        for field in cut_fields(graph):
            if field.number == _VALUE_INFO:
                continue
            if field.number == _INPUT:
                name = _name(field.payload)
                if name in axes:
                    missing.discard(name)
                    changed_dims = _change_dims(field.payload, partial(_open, axis=axes[name]))
                    parts.append(encode(_INPUT, changed_dims))
                    continue
            if field.number == _OUTPUT:
                parts.append(encode(_OUTPUT, _forget_shape(field.payload)))
                continue
            parts.append(field.whole)
        return b"".join(parts)

    changed = change_fields(model, _GRAPH, change_graph)
    if missing:
        raise ValueError(f"The graph has no input {sorted(missing)[0]!r}.")
    return changed


def _open(dims: list[bytes], axis: int) -> list[bytes]:
    symbol = encode(_DIM_PARAM, b"prompts")
    return [symbol if position == axis else dim for position, dim in enumerate(dims)]


def _change_dims(value_info: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Rewrite the dimensions of a ValueInfoProto."""

    def change_shape(shape: bytes) -> bytes:
        dims = [field.payload for field in cut_fields(shape) if field.number == _DIM]
        return b"".join(encode(_DIM, dim) for dim in change(dims))

    def change_tensor(tensor: bytes) -> bytes:
        return change_fields(tensor, _SHAPE, change_shape)

    def change_type(kind: bytes) -> bytes:
        return change_fields(kind, _TENSOR, change_tensor)

    return change_fields(value_info, _TYPE, change_type)


def _forget_shape(value_info: bytes) -> bytes:
    """Keep the type and the rank of a ValueInfoProto, and forget the lengths."""
    return _change_dims(value_info, lambda dims: [b""] * len(dims))


def _name(value_info: bytes) -> str:
    for field in cut_fields(value_info):
        if field.number == _NAME:
            return field.payload.decode()
    return ""
