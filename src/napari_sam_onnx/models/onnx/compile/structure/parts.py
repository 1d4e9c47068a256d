"""The parts of a SAM decoder in a graph: its two-way transformer, its upscaling, its heads.

    layer 0, 1:  tokens ⇄ tokens,  tokens ← picture,  picture ← tokens
    last:        tokens ← picture
    upscaling:   two transposed convolutions with stride 2
    masks:       hypernetworks(tokens) @ upscaled picture

(Kirillov et al. 2023, "Segment Anything", appendix A.) Everything that is not the picture's
side of this (the prompts' encoding, the tokens' layers, the heads) is later copied node by
node, so it may differ between families.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.models.onnx.compile.structure.graph import Graph, attribute
from napari_sam_onnx.models.onnx.compile.structure.heads import find_residual, find_tokens_read
from napari_sam_onnx.models.onnx.compile.structure.layers import find_attentions, find_norm
from napari_sam_onnx.models.onnx.compile.structure.refusal import NotCompilableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.compile.structure.layers import Attention, Norm

    Measure = Callable[[Sequence[str]], dict[str, NDArray[Any]]]

_ATTENTIONS = 7


@dataclass(frozen=True, slots=True, eq=False)
class Upscale:
    """A transposed convolution with stride 2 and kernel 2 × 2.

    Parameters
    ----------
    weight : (in, 2, 2, out) float64
    bias : (out,) float64
    feature : str
        A tensor of the picture that is added to its output; "" for none.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    feature: str


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What the compiler needs of a decoder.

    Parameters
    ----------
    graph : Graph
    own : 2 Attention
        Tokens among themselves, layer by layer.
    looking : 3 Attention
        Tokens that look at the picture.
    writing : 2 Attention
        The picture looks at tokens.
    norms : 2 Norm
        After `writing`.
    picture : str
        The picture's tokens (1, P, C) before layer 0.
    position : (P, C) float64
        Their positional encoding.
    tokens, residual : str
        The tokens (B, N, C) after everything, and before they look at the picture a last time.
    read_by_scores, read_by_masks : (begin, end)
        Which of them the heads read; (0, 0) for all.
    upscales : 2 Upscale
    upscale_norm : Norm
        Between the two, over channels.
    upscaled : str
        The picture (B, c, 4 h, 4 w) after upscaling.
    hyper, product : str
        The hypernetworks' output (B, M, c), and its product with the picture.
    heads : int
    masks, scores : str
        Outputs.
    """

    graph: Graph
    own: tuple[Attention, ...]
    looking: tuple[Attention, ...]
    writing: tuple[Attention, ...]
    norms: tuple[Norm, ...]
    picture: str
    position: NDArray[np.float64]
    tokens: str
    residual: str
    read_by_scores: tuple[int, int]
    read_by_masks: tuple[int, int]
    upscales: tuple[Upscale, ...]
    upscale_norm: Norm
    upscaled: str
    hyper: str
    product: str
    heads: int
    masks: str
    scores: str

    @property
    def pixels(self) -> int:
        """Tokens of the picture, P."""
        return len(self.position)

    @property
    def side(self) -> int:
        """Tokens of the picture along each side."""
        return math.isqrt(self.pixels)

    @property
    def channels(self) -> int:
        """Channels of every token, C."""
        return int(self.position.shape[1])

    @property
    def head_channels(self) -> int:
        """Channels of one head where tokens and picture meet."""
        return int(self.looking[0].q.weight.shape[1]) // self.heads


def find_parts(model: Any, masks: str, scores: str, measure: Measure) -> Parts:
    """Find the parts of a decoder.

    Parameters
    ----------
    model : onnx.ModelProto
    masks, scores : str
        Outputs.
    measure : callable
        Runs the decoder on some prompt and gives tensors of any names.

    Raises
    ------
    NotCompilableError
        If the graph is not of the known structure.
    """
    graph = Graph(model)
    try:
        return _find_parts(graph, masks, scores, measure)
    except (StopIteration, KeyError, IndexError, AttributeError, AssertionError) as error:
        raise NotCompilableError("its structure is not that of SAM's decoder") from error


def _find_parts(graph: Graph, masks: str, scores: str, measure: Measure) -> Parts:
    found = find_attentions(graph)
    if len(found) != _ATTENTIONS:
        raise NotCompilableError(
            f"it has {len(found)} attentions where SAM's decoder has {_ATTENTIONS}"
        )
    own, looking, writing = found[0:6:3], [found[1], found[4], found[6]], found[2:6:3]
    picture = looking[0].v.input
    with_position = graph.maker(looking[0].k.input)
    if with_position.op_type != "Add" or picture not in with_position.input:
        raise NotCompilableError("it adds no positions to the picture")
    position = next(name for name in with_position.input if name != picture)
    measured = measure([position, *(attention.scores for attention in found)])
    shapes = [measured[attention.scores].shape for attention in found]
    pixels = measured[position].size // measured[position].shape[-1]
    if any(len(shape) != 4 for shape in shapes) or not (
        all(shape[-1] == pixels for shape in shapes[1:6:3] + shapes[6:])
        and all(shape[-2] == pixels for shape in shapes[2:6:3])
    ):
        raise NotCompilableError("its tokens and its picture meet in another order")
    upscales, norm, upscaled = _find_upscaling(graph)
    product = _find_product(graph, upscaled)
    tokens = find_norm(graph, looking[-1].out.output).output
    return Parts(
        graph=graph,
        own=tuple(own),
        looking=tuple(looking),
        writing=tuple(writing),
        norms=tuple(find_norm(graph, attention.out.output) for attention in writing),
        picture=picture,
        position=measured[position].reshape(pixels, -1).astype(np.float64),
        tokens=tokens,
        residual=find_residual(graph, looking[-1].out.output),
        read_by_scores=find_tokens_read(graph, tokens, scores),
        read_by_masks=find_tokens_read(graph, tokens, masks),
        upscales=upscales,
        upscale_norm=norm,
        upscaled=upscaled,
        hyper=product.input[0],
        product=product.output[0],
        heads=shapes[1][1],
        masks=masks,
        scores=scores,
    )


def _find_upscaling(graph: Graph) -> tuple[tuple[Upscale, ...], Norm, str]:
    nodes = [node for node in graph.nodes if node.op_type == "ConvTranspose"]
    if len(nodes) != 2:
        raise NotCompilableError(f"it upscales in {len(nodes)} steps where SAM's decoder has 2")
    upscales = []
    for node in nodes:
        weight, bias = graph.value(node.input[1]), graph.value(node.input[2])
        assert weight is not None and bias is not None
        strides = list(attribute(node, "strides", [1, 1]))
        pads = list(attribute(node, "pads", [0] * 4))
        if weight.shape[2:] != (2, 2) or strides != [2, 2] or any(pads):
            raise NotCompilableError("its transposed convolutions are not 2 × 2 with stride 2")
        added = [n for n in graph.takers(node.output[0]) if n.op_type == "Add"]
        feature = next(
            (n for add in added for n in add.input if n in graph.varying - {node.output[0]}), ""
        )
        upscales.append(
            Upscale(
                weight.transpose(0, 2, 3, 1).astype(np.float64), bias.astype(np.float64), feature
            )
        )
    norm = find_norm(graph, nodes[0].output[0])
    return tuple(upscales), norm, _follow_to_shape(graph, nodes[1].output[0])


def _follow_to_shape(graph: Graph, name: str) -> str:
    """Find the tensor that is reshaped, after a transposed convolution and its activation."""
    waiting, seen = [name], {name}
    while waiting:
        name = waiting.pop(0)
        for node in graph.takers(name):
            if node.op_type in ("Reshape", "Flatten"):
                return name
            if node.output[0] not in seen:
                seen.add(node.output[0])
                waiting.append(node.output[0])
    raise NotCompilableError("its masks are not made of the upscaled picture")


def _find_product(graph: Graph, upscaled: str) -> Any:
    """Find the product of the hypernetworks' output with the upscaled picture."""
    flattened = [n for n in graph.takers(upscaled) if n.op_type in ("Reshape", "Flatten")]
    products = [p for n in flattened for p in graph.takers(n.output[0]) if p.op_type == "MatMul"]
    if len(flattened) != 1 or len(graph.takers(upscaled)) != 1 or len(products) != 1:
        raise NotCompilableError("its masks are made of the upscaled picture in another way")
    if products[0].input[1] != flattened[0].output[0]:
        raise NotCompilableError("its masks are made of the upscaled picture in another way")
    return products[0]
