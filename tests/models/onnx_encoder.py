"""An encoder whose embedding is the picture itself.

The encoder hands the picture on: its embedding is the picture's average in 16 × 16 cells,
after the normalisation and padding that the export does in its graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.models.onnx_graph import Graph

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 128
"""Side of the frame of small pairs; their embeddings have 8 × 8 cells, their masks 32 × 32."""

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Encoder:
    """What to build: see the fields of `EncoderContract` for the words."""

    input: str = "image"
    shape: tuple[int | str, ...] = (1, 3, SIDE, SIDE)
    dtype: str = "float32"
    layout: str = "CHW"
    normalises: bool = False
    pads_to: int = 0
    squashes_to: int = 0
    shrinks_to: int = 0
    unit_range: bool = False
    embeddings: tuple[tuple[str, int, int], ...] = (("image_embeddings", 4, 8),)
    """Name, channels and cells per side of each output, in the file's order."""
    layers: tuple[str, ...] = ()
    """Names of outputs (1, 8, 8, 5), filled with 0, 1, 2 …, like HQ-SAM's."""
    stacks_layers: bool = False


def build_encoder(path: Path, plan: Encoder) -> Path:
    graph = Graph()
    x = graph.cast(graph.take(plan.input, plan.shape, plan.dtype))
    if len(plan.shape) == 3:
        x = graph.add("Unsqueeze", x, graph.constant([0], "int64"))
    if plan.layout == "HWC":
        x = graph.add("Transpose", x, perm=[0, 3, 1, 2])
    if plan.unit_range:
        x = graph.add("Mul", x, graph.constant(255.0))
    if plan.squashes_to:
        x = _squash(graph, x, plan.squashes_to)
    if plan.shrinks_to:
        x = _shrink(graph, x, plan.shrinks_to)
    if plan.normalises:
        x = graph.add("Sub", x, graph.constant([[[[m]] for m in MEAN]]))
        x = graph.add("Div", x, graph.constant([[[[s]] for s in STD]]))
    if plan.pads_to:
        x = _pad(graph, x, plan.pads_to)
    last = plan.shape[-1] if plan.layout == "CHW" else plan.shape[-2]
    whole = plan.pads_to or plan.squashes_to or int(last)
    for name, channels, cells in plan.embeddings:
        stride = whole // cells
        pooled = graph.add(
            "AveragePool", x, kernel_shape=[stride, stride], strides=[stride, stride]
        )
        pads = graph.constant([0, 0, 0, 0, 0, channels - 3, 0, 0], "int64")
        graph.give(graph.add("Pad", pooled, pads), name, (1, channels, cells, cells))
    _give_layers(graph, x, plan)
    return graph.save(path)


def _squash(graph: Graph, x: str, side: int) -> str:
    shape = graph.constant([1, 3, side, side], "int64")
    return graph.add("Resize", x, "", "", shape, mode="linear")


def _shrink(graph: Graph, x: str, side: int) -> str:
    """Bring the longer side to a length, keeping the aspect."""
    sides = graph.cast(graph.add("Concat", graph.side(x, 2), graph.side(x, 3), axis=0))
    longest = graph.over("ReduceMax", sides, 0, keep=True)
    scaled = graph.add("Div", graph.add("Mul", sides, graph.constant(float(side))), longest)
    scaled = graph.add("Floor", graph.add("Add", scaled, graph.constant(0.5)))
    scaled = graph.add("Max", scaled, graph.constant(1.0))
    whole = graph.constant([1, 3], "int64")
    shape = graph.add("Concat", whole, graph.cast(scaled, "int64"), axis=0)
    return graph.add("Resize", x, "", "", shape, mode="linear")


def _pad(graph: Graph, x: str, side: int) -> str:
    """Pad at the right and the bottom; like the exports, crop what is larger."""
    whole = graph.constant([side], "int64")
    missing = [graph.add("Sub", whole, graph.side(x, axis)) for axis in (2, 3)]
    start = graph.constant([0, 0, 0, 0, 0, 0], "int64")
    return graph.add("Pad", x, graph.add("Concat", start, *missing, axis=0))


def _give_layers(graph: Graph, x: str, plan: Encoder) -> None:
    zero = graph.add("Mul", graph.part(graph.part(x, 2, 0, 1), 3, 0, 1), graph.constant(0.0))
    zero = graph.reshape(graph.part(zero, 1, 0, 1), (1, 1, 1, 1))
    full = graph.constant([1, 8, 8, 5], "int64")
    layers = []
    for number, name in enumerate(plan.layers):
        layer = graph.add("Expand", graph.add("Add", zero, graph.constant(number)), full)
        layers.append(layer)
        if not plan.stacks_layers:
            graph.give(layer, name, (1, 8, 8, 5))
    if plan.stacks_layers:
        deep = [graph.reshape(layer, (1, 1, 8, 8, 5)) for layer in layers]
        stacked = graph.add("Concat", *deep, axis=0)
        graph.give(stacked, "interm_embeddings", (len(layers), 1, 8, 8, 5))
