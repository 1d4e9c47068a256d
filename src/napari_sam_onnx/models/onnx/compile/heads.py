"""Which of a prompt's tokens the heads read: scores are made of one, masks of the next few.

The others need not look at the picture once more at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.models.onnx.compile.graph import attribute
from napari_sam_onnx.models.onnx.compile.refusal import NotCompilableError

if TYPE_CHECKING:
    from napari_sam_onnx.models.onnx.compile.graph import Graph


def count_tokens_read(graph: Graph, tokens: str, target: str) -> int:
    """Count the leading tokens of (B, N, C) that a tensor is made of; 0 where all may be."""
    before = _find_before(graph, target)
    counts = [_count_read(graph, node) for node in graph.takers(tokens) if node.output[0] in before]
    return 0 if 0 in counts else max(counts, default=0)


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


def _count_read(graph: Graph, node: Any) -> int:
    """Count the leading tokens that a node reads; 0 where it cannot be told."""
    if node.op_type == "Gather" and attribute(node, "axis", 0) == 1:
        index = graph.value(node.input[1])
        return 0 if index is None or np.min(index) < 0 else int(np.max(index)) + 1
    if node.op_type == "Slice" and len(node.input) >= 4:
        ends, axes = graph.value(node.input[2]), graph.value(node.input[3])
        steps = graph.value(node.input[4]) if len(node.input) > 4 else np.ones(1)
        if ends is None or axes is None or steps is None or [*axes, *steps] != [1, 1]:
            return 0
        end = int(ends[0])
        return end if 0 < end < 2**15 else 0
    return 0
