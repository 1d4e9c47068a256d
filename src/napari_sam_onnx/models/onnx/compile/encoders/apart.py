"""A graph without its weights: it names where they lie in the file that it was taken from.

An ONNX file may say of a weight in which file and at which byte it lies. The bytes within another
ONNX file serve as well, so a changed graph takes some hundred kilobytes where the weights take
gigabytes, and is read in no time.

Field numbers: ModelProto.graph 7; GraphProto.initializer 5; TensorProto.raw_data 9,
external_data 13, data_location 14; StringStringEntryProto.key 1, value 2.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from napari_sam_onnx.models.onnx.surgery.protobuf import encode, locate_fields, write_number

if TYPE_CHECKING:
    from pathlib import Path

_GRAPH, _INITIALIZER = 7, 5
_RAW, _EXTERNAL, _LOCATION, _KEY, _VALUE = 9, 13, 14, 1, 2
_ELSEWHERE = 1
_SMALL = 1024  # bytes; such weights are sizes and axes, and stay


def take_graph(path: Path) -> bytes:
    """Read an ONNX file without its weights.

    Returns
    -------
    bytes
        An ONNX file that is to be opened in the folder of the other. Weights that lie in a file
        beside it already do so still.

    Raises
    ------
    ValueError
        If the file is no Protocol Buffers message.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as file:
        return _take_model(file, path.name)


def _take_model(file: mmap.mmap, name: str) -> bytes:
    parts = []
    for field in locate_fields(file, 0, len(file)):
        if field.number == _GRAPH:
            graph = _take_graph(file, field.begin, field.end, name)
            parts.append(encode(_GRAPH, graph))
        else:
            parts.append(file[field.start : field.end])
    return b"".join(parts)


def _take_graph(file: mmap.mmap, begin: int, end: int, name: str) -> bytes:
    parts = []
    for field in locate_fields(file, begin, end):
        if field.number == _INITIALIZER and field.end - field.begin > _SMALL:
            parts.append(encode(_INITIALIZER, _take_tensor(file, field.begin, field.end, name)))
        else:
            parts.append(file[field.start : field.end])
    return b"".join(parts)


def _take_tensor(file: mmap.mmap, begin: int, end: int, name: str) -> bytes:
    parts = []
    for field in locate_fields(file, begin, end):
        if field.number == _RAW:
            where = {"location": name, "offset": field.begin, "length": field.end - field.begin}
            for key, value in where.items():
                entry = encode(_KEY, key.encode()) + encode(_VALUE, str(value).encode())
                parts.append(encode(_EXTERNAL, entry))
            parts.append(write_number(_LOCATION, _ELSEWHERE))
        else:
            parts.append(file[field.start : field.end])
    return b"".join(parts)
