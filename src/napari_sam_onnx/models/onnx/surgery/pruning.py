"""Leave out of a decoder what only outputs need that nobody reads.

Many decoders also give masks at plane size; ONNX Runtime computes them even where they are not
asked for, which takes a seventh of a decode.

Field numbers: ModelProto.graph 7; GraphProto.node 1, output 12, value_info 13; NodeProto.input 1,
output 2, attribute 5; AttributeProto.g 6, graphs 11; ValueInfoProto.name 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.sessions.runtime import Session
from napari_sam_onnx.models.onnx.surgery.protobuf import change_fields, cut_fields

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_sam_onnx.models.onnx.contracts.rows import DecoderContract

_GRAPH, _NODE, _OUTPUT, _NAME = 7, 1, 12, 1
_TAKES, _GIVES, _ATTRIBUTE, _INNER = 1, 2, 5, (6, 11)
_LARGEST = 256 * 2**20  # bytes; larger files are run as they are


def list_outputs_read(row: DecoderContract) -> set[str]:
    """List the outputs of a decoder that are ever read."""
    return {row.masks, row.scores, row.windows} - {""}


def prune_session(session: Session, row: DecoderContract) -> Session:
    """Open a decoder anew without what is never read; the one given is then closed.

    Returns
    -------
    Session
        The one given, where there is nothing to leave out or it does not run without.
    """
    wanted = list_outputs_read(row)
    superfluous = {spec.name for spec in session.outputs} - wanted
    if not superfluous or session.path.stat().st_size > _LARGEST:
        return session
    try:
        pruned = Session(
            session.path,
            provider=session.provider,
            threads=session.threads,
            content=prune(session.path.read_bytes(), wanted),
            time_limit=session.time_limit,
        )
    except (ModelError, ValueError, UnicodeDecodeError):
        return session
    session.close()
    return pruned


def prune(model: bytes, wanted: Collection[str]) -> bytes:
    """Leave out outputs, and the nodes that nothing else needs.

    Parameters
    ----------
    model : bytes
        An ONNX file.
    wanted : collection of str
        Outputs that stay; the others are left out.

    Returns
    -------
    bytes
        The rest is kept byte for byte, weights that nothing takes any more included.

    Raises
    ------
    ValueError
        If the bytes are no Protocol Buffers message.
    """

    def change_graph(graph: bytes) -> bytes:
        fields = list(cut_fields(graph))
        needed, dropped = set(wanted), set()
        for number in reversed(range(len(fields))):  # nodes stand behind what they take
            if fields[number].number == _NODE:
                takes, gives = _read_node(fields[number].payload)
                if needed.isdisjoint(gives):
                    dropped.add(number)
                else:
                    needed |= takes
            elif fields[number].number == _OUTPUT:
                names = _read_names(fields[number].payload, _NAME)
                if names.isdisjoint(wanted):
                    dropped.add(number)
        return b"".join(f.whole for number, f in enumerate(fields) if number not in dropped)

    return change_fields(model, _GRAPH, change_graph)


def _read_node(node: bytes) -> tuple[set[str], set[str]]:
    """Read what a node takes, graphs inside it included, and what it gives."""
    takes, gives = _read_names(node, _TAKES), _read_names(node, _GIVES)
    for attribute in cut_fields(node):
        if attribute.number == _ATTRIBUTE:
            for part in cut_fields(attribute.payload):
                if part.number in _INNER:
                    takes |= _read_inner(part.payload)
    return takes, gives


def _read_inner(graph: bytes) -> set[str]:
    """Read all that nodes and outputs of an inner graph name; some of it lies outside."""
    names: set[str] = set()
    for field in cut_fields(graph):
        if field.number == _NODE:
            names |= _read_node(field.payload)[0]
        elif field.number == _OUTPUT:
            names |= _read_names(field.payload, _NAME)
    return names


def _read_names(message: bytes, number: int) -> set[str]:
    return {f.payload.decode() for f in cut_fields(message) if f.number == number}
