"""Let a decoder that was exported for one prompt take several.

SAM 1's decoders state a batch of 1 for the prompts although their graphs compute any. This
rewrites the statement, and drops the shapes that were inferred from it, in the bytes of the
file: four levels of Protocol Buffers fields, so that no ONNX library is needed to run. Whether
the graph really computes any is for a probe to find out.

Field numbers are those of onnx.proto3: ModelProto.graph 7; GraphProto.input 11, output 12,
value_info 13; ValueInfoProto.name 1, type 2; TypeProto.tensor_type 1; Tensor.shape 2;
TensorShapeProto.dim 1; Dimension.dim_value 1, dim_param 2.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_GRAPH, _INPUT, _OUTPUT, _VALUE_INFO = 7, 11, 12, 13
_NAME, _TYPE, _TENSOR, _SHAPE, _DIM, _DIM_PARAM = 1, 2, 1, 2, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class _Field(NamedTuple):
    number: int
    wire: int
    whole: bytes  # tag included
    payload: bytes  # of a length-delimited field


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
        for field in _fields(graph):
            if field.number == _VALUE_INFO:
                continue
            if field.number == _INPUT:
                name = _name(field.payload)
                if name in axes:
                    missing.discard(name)
                    changed_dims = _change_dims(field.payload, partial(_open, axis=axes[name]))
                    parts.append(_encode(_INPUT, changed_dims))
                    continue
            if field.number == _OUTPUT:
                parts.append(_encode(_OUTPUT, _forget_shape(field.payload)))
                continue
            parts.append(field.whole)
        return b"".join(parts)

    changed = _change(model, _GRAPH, change_graph)
    if missing:
        raise ValueError(f"The graph has no input {sorted(missing)[0]!r}.")
    return changed


def _open(dims: list[bytes], axis: int) -> list[bytes]:
    symbol = _encode(_DIM_PARAM, b"prompts")
    return [symbol if position == axis else dim for position, dim in enumerate(dims)]


def _change_dims(value_info: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Rewrite the dimensions of a ValueInfoProto."""

    def change_shape(shape: bytes) -> bytes:
        dims = [field.payload for field in _fields(shape) if field.number == _DIM]
        return b"".join(_encode(_DIM, dim) for dim in change(dims))

    def change_tensor(tensor: bytes) -> bytes:
        return _change(tensor, _SHAPE, change_shape)

    def change_type(kind: bytes) -> bytes:
        return _change(kind, _TENSOR, change_tensor)

    return _change(value_info, _TYPE, change_type)


def _forget_shape(value_info: bytes) -> bytes:
    """Keep the type and the rank of a ValueInfoProto, and forget the lengths."""
    return _change_dims(value_info, lambda dims: [b""] * len(dims))


def _change(message: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    """Rewrite every field of one number in a message."""
    return b"".join(
        _encode(number, change(field.payload)) if field.number == number else field.whole
        for field in _fields(message)
    )


def _name(value_info: bytes) -> str:
    for field in _fields(value_info):
        if field.number == _NAME:
            return field.payload.decode()
    return ""


def _fields(message: bytes) -> Iterator[_Field]:
    """Cut a message into its fields."""
    position = 0
    while position < len(message):
        start = position
        tag, position = _read_varint(message, position)
        number, wire = tag >> 3, tag & 7
        payload = b""
        if wire == _VARINT:
            _, position = _read_varint(message, position)
        elif wire == _BYTES:
            length, position = _read_varint(message, position)
            payload = message[position : position + length]
            position += length
        elif wire in (_FIXED64, _FIXED32):
            position += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"Byte {start} starts no field of Protocol Buffers.")
        if position > len(message):
            raise ValueError("The message ends within a field.")
        yield _Field(number, wire, message[start:position], payload)


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(message) or shift > 63:
            raise ValueError("The message ends within a number.")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, position


def _encode(number: int, payload: bytes) -> bytes:
    return _write_varint(number << 3 | _BYTES) + _write_varint(len(payload)) + payload


def _write_varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
