"""A small network of the Cellpose family: bright is cell, the flow climbs blurred brightness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.models.onnx_graph import Graph

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 64


def build_flows(path: Path, *, dtype: str = "float32", side: int | None = SIDE) -> Path:
    """Write the network; of its three input channels it looks at the first."""
    graph = Graph()
    shape = (1, 3, side, side)
    picture = graph.cast(graph.take("image", shape, dtype))
    along = np.arange(-8, 9)
    bell = np.exp(-(along**2) / 32)
    blurred_slope = np.outer(bell * along, bell)
    weights = np.zeros((3, 3, 17, 17), np.float32)
    weights[0, 0], weights[1, 0] = blurred_slope, blurred_slope.T
    weights[2, 0, 8, 8] = 1
    maps = graph.add("Conv", picture, graph.constant(weights), pads=[8, 8, 8, 8])
    slopes, bright = graph.part(maps, 1, 0, 2), graph.part(maps, 1, 2, 3)
    squares = graph.add("Mul", slopes, slopes)
    length = graph.add("Sqrt", graph.over("ReduceSum", squares, 1, keep=True))
    unit = graph.add("Div", slopes, graph.add("Add", length, graph.constant(1e-3)))
    flow = graph.add("Mul", unit, graph.constant(5.0))
    half = graph.add("Sub", bright, graph.constant(0.5))
    cell = graph.add("Mul", half, graph.constant(12.0))
    both = graph.add("Concat", flow, cell, axis=1)
    graph.give(graph.cast(both, dtype), "flows_cellprob", shape, dtype)
    return graph.save(path)
