"""Protocol Buffers as bytes: cut a message into its fields, change some, and put it together.

So that a graph is changed without an ONNX library, and what is not understood is kept byte for
byte. Field numbers of ONNX are those of onnx.proto3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap

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


class Place(NamedTuple):
    """Where a field lies: its tag begins at `start`, its payload at `begin`; both end at `end`."""

    number: int
    start: int
    begin: int
    end: int


def change_fields(message: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    """Rewrite every field of one number in a message."""
    return b"".join(
        encode(number, change(field.payload)) if field.number == number else field.whole
        for field in cut_fields(message)
    )


def cut_fields(message: bytes) -> Iterator[Field]:
    """Cut a message into its fields."""
    for number, start, begin, end in locate_fields(message, 0, len(message)):
        wire = message[start] & 7
        yield Field(number, wire, message[start:end], message[begin:end] if wire == _BYTES else b"")


def locate_fields(message: bytes | mmap, position: int, stop: int) -> Iterator[Place]:
    """Find the fields of a message that lies among other bytes, without copying any."""
    while position < stop:
        start = position
        tag, position = _read_varint(message, position, stop)
        number, wire = tag >> 3, tag & 7
        begin = position
        if wire == _VARINT:
            _, position = _read_varint(message, position, stop)
        elif wire == _BYTES:
            length, begin = _read_varint(message, position, stop)
            position = begin + length
        elif wire in (_FIXED64, _FIXED32):
            position += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"Byte {start} starts no field of Protocol Buffers.")
        if position > stop:
            raise ValueError("The message ends within a field.")
        yield Place(number, start, begin, position)


def _read_varint(message: bytes | mmap, position: int, stop: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= stop or shift > 63:
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


def write_number(number: int, value: int) -> bytes:
    """Write a field that is a number."""
    return _write_varint(number << 3 | _VARINT) + _write_varint(value)


def _write_varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
