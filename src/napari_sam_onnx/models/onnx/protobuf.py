"""Protocol Buffers as bytes: cut a message into its fields, change some, and put it together.

So that a graph is changed without an ONNX library, and what is not understood is kept byte for
byte. Field numbers of ONNX are those of onnx.proto3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """A field of a message.

    Parameters
    ----------
    number, wire : int
        Which field, and how it is written.
    whole : bytes
        With its tag.
    payload : bytes
        Of a length-delimited field.
    """

    number: int
    wire: int
    whole: bytes
    payload: bytes


def change_fields(message: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    """Rewrite every field of one number in a message."""
    return b"".join(
        encode(number, change(field.payload)) if field.number == number else field.whole
        for field in cut_fields(message)
    )


def cut_fields(message: bytes) -> Iterator[Field]:
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
        yield Field(number, wire, message[start:position], payload)


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


def encode(number: int, payload: bytes) -> bytes:
    """Write a length-delimited field."""
    return _write_varint(number << 3 | _BYTES) + _write_varint(len(payload)) + payload


def _write_varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
