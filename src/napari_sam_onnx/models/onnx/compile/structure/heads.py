"""Which of a prompt's tokens the heads read: scores are made of one, masks of the next few.

The others need not look at the picture once more at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.models.onnx.compile.structure.graph import attribute
from napari_sam_onnx.models.onnx.compile.structure.refusal import NotCompilableError

if TYPE_CHECKING:
    from napari_sam_onnx.models.onnx.compile.structure.graph import Graph


def find_tokens_read(graph: Graph, tokens: str, target: str) -> tuple[int, int]:
    """Find which of the tokens (B, N, C) a tensor is made of: the first, and the end.

    (0, 0) where all may be.
    """
    before = _find_before(graph, target)
    spans = [_find_span(graph, node) for node in graph.takers(tokens) if node.output[0] in before]
    if not spans or (0, 0) in spans:
        return 0, 0
    return min(begin for begin, _ in spans), max(end for _, end in spans)


def find_residual(graph: Graph, added: str) -> str:
    """Find what the output of an attention is added to."""
    sums = [node for node in graph.takers(added) if node.op_type == "Add"]
    others: set[str] = {name for node in sums for name in node.input} - {added}
    if len(sums) != 1 or len(others) != 1:
        raise NotCompilableError("its last attention is written in an unknown way")
    return others.pop()


def _find_before(graph: Graph, target: str) -> set[str]:
    """Collect the tensors that a tensor is made of, itself included."""
    found, waiting = {target}, [target]
    while waiting:
        node = graph.maker(waiting.pop())
        new = set() if node is None or node.op_type == "Shape" else set(node.input) - found
        found |= new
        waiting += new
    return found


def _find_span(graph: Graph, node: Any) -> tuple[int, int]:
    """Find the tokens that a node reads; (0, 0) where it cannot be told."""
    if node.op_type == "Gather" and attribute(node, "axis", 0) == 1:
        index = graph.value(node.input[1])
        if index is None or np.min(index) < 0:
            return 0, 0
        return int(np.min(index)), int(np.max(index)) + 1
    if node.op_type == "Slice" and len(node.input) >= 4:
        starts, ends, axes = (graph.value(name) for name in node.input[1:4])
        steps = graph.value(node.input[4]) if len(node.input) > 4 else np.ones(1)
        if starts is None or ends is None or axes is None or steps is None:
            return 0, 0
        if [*axes, *steps] != [1, 1]:
            return 0, 0
        begin, end = int(starts[0]), int(ends[0])
        return (begin, end) if 0 <= begin < end < 2**15 else (0, 0)
    return 0, 0
