"""The files beside a graph that hold its weights: read from the graph, never guessed from names."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

from napari_sam_onnx.models.model import ModelError

# TensorProto.external_data: the entry whose key is "location" and whose value is a file name
# of up to 127 bytes (field numbers and wire types of onnx.proto3)
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])", re.DOTALL)


def find_external_data(graph: Path) -> list[Path]:
    """List the files with a graph's external weights.

    Parameters
    ----------
    graph : Path
        An ONNX file.

    Returns
    -------
    list of Path
        In the order of their first use; empty where the graph holds its weights.

    Raises
    ------
    ModelError
        If one is missing, or lies elsewhere than beside the graph.
    """
    if graph.stat().st_size == 0:
        return []
    names: dict[str, None] = {}
    with graph.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for match in _LOCATION.finditer(data):
            raw = data[match.end() : match.end() + match[1][0]]
            names.setdefault(raw.decode("utf-8", errors="replace"))
    found = []
    for name in names:
        if Path(name).name != name:
            raise ModelError(f"{graph.name} wants weights from '{name}'; they must lie beside it.")
        path = graph.with_name(name)
        if not path.is_file():
            raise ModelError(
                f"{graph.name} keeps its weights in '{name}', which is not beside it; put it "
                f"into {graph.parent} under that name."
            )
        found.append(path)
    return found
