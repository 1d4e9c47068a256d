"""A decoder of SAM's structure, small, with random weights: what the compiler is for.

Two layers of a two-way transformer on 8 × 8 tokens of 16 channels, upscaling, hypernetworks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.models.onnx_graph import Graph

if TYPE_CHECKING:
    from pathlib import Path

SIDE, CHANNELS, INNER, HEADS, MASKS = 8, 16, 8, 2, 4
PIXELS = SIDE * SIDE
FRAME = 16 * SIDE


@dataclass(frozen=True)
class Plan:
    """How to write the decoder: what exporters and families differ in."""

    opset: int = 17
    batch: int | str = 1
    written_norm: bool = False  # normalisations node by node, as old exporters do
    gemm: bool = False  # linear layers of tokens as (C, C) weights that are turned
    features: bool = False  # SAM 2's maps of higher resolution, and its names
    activation: str = "gelu"  # of upscaling; "relu" is nobody's
    single: bool = False  # only the best mask is given
    attentions: int = 7
    one_prompt: bool = False  # written into the graph, as PyTorch's newer exporter does


class SamGraph(Graph):
    """Layers of SAM's decoder."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan, self.random = plan, np.random.default_rng(7)

    def weight(self, *shape: int, spread: float = 0.0) -> str:
        spread = spread or shape[0] ** -0.5
        return self.constant(spread * self.random.standard_normal(shape))

    def linear(self, x: str, inside: int, out: int, *, gain: float = 1.0) -> str:
        weight, bias = (
            self.random.standard_normal((inside, out)) * gain * inside**-0.5,
            self.random.standard_normal(out) * 0.3,
        )
        if self.plan.gemm:
            turned = self.add("Transpose", self.constant(weight.T), perm=[1, 0])
            return self.add("Add", self.constant(bias), self.add("MatMul", x, turned))
        return self.add("Add", self.add("MatMul", x, self.constant(weight)), self.constant(bias))

    def norm(self, x: str, channels: int, axis: int = -1) -> str:
        scale = 1 + 0.3 * self.random.standard_normal(channels)
        bias = 0.3 * self.random.standard_normal(channels)
        if axis == -1 and not self.plan.written_norm:
            weights = self.constant(scale), self.constant(bias)
            return self.add("LayerNormalization", x, *weights, axis=-1, epsilon=1e-5)
        sides = (channels, 1, 1) if axis == 1 else (channels,)
        centred = self.add("Sub", x, self.over_mean(x, axis))
        square = self.add("Pow", centred, self.constant(2.0))
        variance = self.add("Add", self.over_mean(square, axis), self.constant(1e-5))
        x = self.add("Div", centred, self.add("Sqrt", variance))
        x = self.add("Mul", x, self.constant(scale.reshape(sides)))
        return self.add("Add", x, self.constant(bias.reshape(sides)))

    def over_mean(self, x: str, axis: int) -> str:
        if self.plan.opset >= 18:
            return self.add("ReduceMean", x, self.constant([axis], "int64"), keepdims=1)
        return self.add("ReduceMean", x, axes=[axis], keepdims=1)

    def activate(self, x: str) -> str:
        if self.plan.activation == "relu":
            return self.add("Relu", x)
        erf = self.add("Erf", self.add("Div", x, self.constant(2**0.5)))
        x = self.add("Mul", x, self.add("Add", erf, self.constant(1.0)))
        return self.add("Mul", x, self.constant(0.5))

    def attend(self, q: str, k: str, v: str, inner: int) -> str:
        def cut(x: str) -> str:
            x = self.linear(x, CHANNELS, inner, gain=2.0)
            x = self.reshape(x, (0, 0, HEADS, inner // HEADS))
            return self.add("Transpose", x, perm=[0, 2, 1, 3])

        heads = [cut(x) for x in (q, k, v)]
        turned = self.add("Transpose", heads[1], perm=[0, 1, 3, 2])
        scores = self.add("MatMul", heads[0], turned)
        scores = self.add("Div", scores, self.constant((inner / HEADS) ** 0.5))
        x = self.add("MatMul", self.add("Softmax", scores, axis=-1), heads[2])
        x = self.reshape(self.add("Transpose", x, perm=[0, 2, 1, 3]), (0, 0, inner))
        return self.linear(x, inner, CHANNELS)

    def head(self, x: str, out: int) -> str:
        x = self.add("Relu", self.linear(x, CHANNELS, CHANNELS))
        return self.linear(x, CHANNELS, out)

    def token(self, x: str, first: int, last: int) -> str:
        return self.part(x, 1, first, last)


def build_sam_decoder(path: Path, plan: Plan = Plan()) -> Path:
    graph = SamGraph(plan)
    embedding = "image_embed" if plan.features else "image_embeddings"
    picture = graph.take(embedding, (1, CHANNELS, SIDE, SIDE))
    maps = []
    if plan.features:
        maps = [
            graph.take("high_res_feats_0", (1, 4, 4 * SIDE, 4 * SIDE)),
            graph.take("high_res_feats_1", (1, 8, 2 * SIDE, 2 * SIDE)),
        ]
    points = graph.take("point_coords", (plan.batch, "points", 2))
    labels = graph.take("point_labels", (plan.batch, "points"))
    mask = graph.take("mask_input", (1, 1, 4 * SIDE, 4 * SIDE))
    flag = graph.take("has_mask_input", (1,))
    if not plan.features:
        size = graph.take("orig_im_size", (2,))
    tokens = _encode_prompts(graph, points, labels)
    weight = graph.weight(CHANNELS, 1, 4, 4, spread=0.02)
    dense = graph.add("Mul", graph.add("Conv", mask, weight, strides=[4, 4]), flag)
    keys = graph.add("Add", graph.add("Add", picture, graph.weight(1, CHANNELS, 1, 1)), dense)
    keys = graph.add("Transpose", graph.reshape(keys, (0, CHANNELS, -1)), perm=[0, 2, 1])
    tokens, keys = _transform(graph, tokens, keys)
    scores = graph.reshape(graph.head(graph.token(tokens, 0, 1), MASKS), (-1, MASKS))
    masks = _draw_masks(graph, tokens, keys, maps)
    if plan.single:
        best = graph.add("ArgMax", scores, axis=1, keepdims=1)  # (B, 1)
        masks = _take_best(graph, masks, best)
        scores = graph.over("ReduceMax", scores, 1, keep=True)
    number = 1 if plan.single else MASKS
    graph.give(scores, "iou_predictions", (None, number))
    graph.give(
        masks, "masks" if plan.features else "low_res_masks", (None, number, 4 * SIDE, 4 * SIDE)
    )
    if not plan.features:
        graph.give(graph.add("Mul", size, graph.constant(2.0)), "masks", (2,))
    return graph.save(path, plan.opset)


def _encode_prompts(graph: SamGraph, points: str, labels: str) -> str:
    scaled = graph.add("Mul", points, graph.constant(2 / FRAME))
    wave = graph.add("MatMul", scaled, graph.weight(2, CHANNELS, spread=2.0))
    kinds = graph.add("Add", graph.cast(labels, "int64"), graph.constant(1, "int64"))
    kind = graph.add("Gather", graph.weight(5, CHANNELS, spread=1.0), kinds, axis=0)
    prompt = graph.add("Add", graph.add("Sin", wave), kind)
    own = graph.weight(1, 1 + MASKS, CHANNELS, spread=1.0)
    if graph.plan.one_prompt:
        return graph.add("Concat", own, prompt, axis=1)
    sides = graph.constant([1 + MASKS, CHANNELS], "int64")
    own = graph.add("Expand", own, graph.add("Concat", graph.side(prompt, 0), sides, axis=0))
    return graph.add("Concat", own, prompt, axis=1)


def _transform(graph: SamGraph, tokens: str, keys: str) -> tuple[str, str]:
    place, prompt = graph.weight(1, PIXELS, CHANNELS, spread=0.5), tokens
    at = [place]

    def placed(x: str) -> str:
        return graph.add("Add", x, at[0])

    for layer in range(2):
        if layer == 0:
            tokens = graph.attend(tokens, tokens, tokens, CHANNELS)
        else:
            q = graph.add("Add", tokens, prompt)
            tokens = graph.add("Add", tokens, graph.attend(q, q, tokens, CHANNELS))
        tokens = graph.norm(tokens, CHANNELS)
        q = graph.add("Add", tokens, prompt)
        tokens = graph.add("Add", tokens, graph.attend(q, placed(keys), keys, INNER))
        tokens = graph.norm(tokens, CHANNELS)
        inside = graph.add("Relu", graph.linear(tokens, CHANNELS, 32))
        tokens = graph.norm(graph.add("Add", tokens, graph.linear(inside, 32, CHANNELS)), CHANNELS)
        q = graph.add("Add", tokens, prompt)
        keys = graph.add("Add", keys, graph.attend(placed(keys), q, tokens, INNER))
        keys = graph.norm(keys, CHANNELS)
    if graph.plan.attentions == 7:
        q = graph.add("Add", tokens, prompt)
        tokens = graph.add("Add", tokens, graph.attend(q, placed(keys), keys, INNER))
        tokens = graph.norm(tokens, CHANNELS)
    return tokens, keys


def _draw_masks(graph: SamGraph, tokens: str, keys: str, maps: list[str]) -> str:
    x = graph.reshape(graph.add("Transpose", keys, perm=[0, 2, 1]), (0, CHANNELS, SIDE, SIDE))
    options = {"strides": [2, 2], "kernel_shape": [2, 2]}
    weights = graph.weight(CHANNELS, 8, 2, 2), graph.weight(8, spread=0.3)
    x = graph.add("ConvTranspose", x, *weights, **options)
    if maps:
        x = graph.add("Add", x, maps[1])
    x = graph.activate(graph.norm(x, 8, axis=1))
    weights = graph.weight(8, 4, 2, 2, spread=1.0), graph.weight(4, spread=0.3)
    x = graph.add("ConvTranspose", x, *weights, **options)
    if maps:
        x = graph.add("Add", x, maps[0])
    x = graph.activate(x)
    hyper = [graph.head(graph.token(tokens, 1 + i, 2 + i), 4) for i in range(MASKS)]
    hyper_in = graph.add("Concat", *hyper, axis=1)
    shape = graph.add("Shape", x)
    count, channels = (graph.part(shape, 0, i, i + 1) for i in (0, 1))
    flat = graph.add("Concat", count, channels, graph.constant([-1], "int64"), axis=0)
    masks = graph.add("MatMul", hyper_in, graph.add("Reshape", x, flat))
    every = graph.constant([-1], "int64")
    back = graph.add("Concat", count, every, graph.part(shape, 0, 2, 4), axis=0)
    return graph.add("Reshape", masks, back)


def _take_best(graph: SamGraph, masks: str, best: str) -> str:
    """Choose by a comparison: (B, 1) among (B, M, h, w)."""
    numbers = graph.constant(np.arange(MASKS)[None], "int64")
    chosen = graph.reshape(graph.cast(graph.add("Equal", numbers, best)), (-1, MASKS, 1, 1))
    return graph.over("ReduceSum", graph.add("Mul", masks, chosen), 1, keep=True)
