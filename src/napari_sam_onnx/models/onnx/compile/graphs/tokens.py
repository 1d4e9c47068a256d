"""The graph that runs per prompt: tokens look at the picture, and the picture at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam_onnx.models.onnx.compile.graphs.attend import Attend, Changed
from napari_sam_onnx.models.onnx.compile.graphs.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_sam_onnx.models.onnx.compile.graphs.factors import Array, Factors
    from napari_sam_onnx.models.onnx.compile.structure.parts import Parts

OUTPUTS = ("t:r", "t:m", "t:e")
"""The picture after the transformer, as factors; see `Changed`."""


class _Tokens(NamedTuple):
    """What a prompt's tokens give to the picture in one layer.

    Parameters
    ----------
    first : (B, heads, 1, c)
        The first token's values.
    others : (B, heads, N - 1, c)
        How the others' differ from them.
    parts : (B, heads · (N - 1), P)
        How much each pixel takes of the others.
    """

    first: str
    others: str
    parts: str


def write_tokens(parts: Parts, factors: Factors, per_prompt: Collection[str]) -> bytes:
    """Write the graph; the names are those of `factors`.

    Parameters
    ----------
    parts, factors
        The decoder.
    per_prompt : collection of str
        Inputs whose first axis is that of prompts.

    Returns
    -------
    bytes
        Its outputs are the scores, `OUTPUTS`, and those of `list_tokens`.
    """
    w = Writer(parts.graph)
    attend = Attend(w, parts, factors.scale)
    for attention in parts.own:
        attend.among_tokens(attention)
    attend.look_at_first(parts.looking[0], "p:k0", "p:v0")
    first, written = _write_layer_0(w, attend, parts, factors)
    attend.look(parts.looking[1], first)
    last = _write_layer_1(w, attend, parts, factors, first, written)
    attend.look(parts.looking[2], last, parts.read_by_scores)
    _stand_in_for_masks(w, parts)
    inputs = set(parts.graph.inputs)
    given = inputs | {name for name in w.taken() if name.startswith("p:")}
    outputs = [parts.scores, *OUTPUTS, *list_tokens(parts)]
    w.copy([*(w.taken() - given), *outputs], {*given, *OUTPUTS})
    shapes: dict[str, Any] = dict.fromkeys(given - inputs)
    shapes |= open_prompts(parts, per_prompt)
    return w.finish(shapes, outputs)


def list_tokens(parts: Parts) -> tuple[str, str]:
    """List what the tokens hand on to their last attention: what they were, and their queries."""
    return parts.residual, parts.looking[2].q.output


def open_prompts(parts: Parts, per_prompt: Collection[str]) -> dict[str, Any]:
    """Copy the decoder's inputs, with an open number of prompts where it states one."""
    opened = {}
    for name, value in parts.graph.inputs.items():
        changed = type(value)()
        changed.CopyFrom(value)
        if name in per_prompt:
            side = changed.type.tensor_type.shape.dim[0]
            side.ClearField("dim_value")
            side.dim_param = "prompts"
        opened[name] = changed
    return opened


def _write_layer_0(
    w: Writer, attend: Attend, parts: Parts, factors: Factors
) -> tuple[Changed, _Tokens]:
    """Let the picture look at the tokens; give also what the tokens gave it."""
    f, norm = factors, parts.norms[0]
    attention = parts.writing[0]
    _, keys = attend.set_apart(attend.heads(attention.k.output, parts.head_channels))
    a0 = attend.softmax_beside_first(w.multiply(keys, "p:q0w"))
    first, values = attend.set_apart(attend.heads(attention.v.output, parts.head_channels))
    tokens = _Tokens(first, values, a0)
    u0, constant = _project(w, attend, tokens, f.out0, f.bias0 * parts.heads)
    mean = 1 / parts.channels
    # the rows of ones of p:s00 take what the constant adds to the squared lengths
    twice = attend.from_rows(w.add("Mul", w.multiply(u0, constant, turn="b"), 2 * mean), 1)
    with_x0 = w.multiply(w.add("Concat", values, twice, axis=3), "p:s00")
    gram = w.add("Mul", w.multiply(u0, u0, turn="b"), mean)
    lengths = _weigh(w, a0, w.multiply(gram, a0), attend.rows(with_x0, parts.pixels))
    square = w.reduce("ReduceSum", w.add("Mul", constant, constant), 2)
    shares = w.add("Mul", square, np.full((1, parts.heads, 1), mean / parts.heads))
    first = w.add("Concat", first, w.reshape(shares, 0, parts.heads, 1, 1), axis=3)
    alone = _give_pixels(w, parts, first, "p:s00", parts.head_channels + 1)
    variance = w.add("Add", w.add("Add", lengths, alone), "p:q0")
    deviation = w.add("Sqrt", w.add("Add", variance, norm.epsilon), out="c:deviation")
    d1 = w.add("Reciprocal", deviation)
    m0, constant = (w.add("Mul", tensor, norm.scale) for tensor in (u0, constant))
    return Changed(a0, m0, d1, norm.bias, "p:k1", "p:v1", constant), tokens


def _write_layer_1(
    w: Writer, attend: Attend, parts: Parts, factors: Factors, first: Changed, written: _Tokens
) -> Changed:
    """Let the picture look at the tokens once more.

    With ``r = [a0, 1, a1 / d1, 1 / d1]`` everything that a prompt adds has the factor d1 · d2.
    """
    f, channels, pixels, heads = factors, parts.channels, parts.pixels, parts.heads
    attention, norm = parts.writing[1], parts.norms[1]
    _, keys = attend.set_apart(attend.heads(attention.k.output, parts.head_channels))
    added = (parts.position + first.beta) @ attention.q.weight + attention.q.bias
    looked = Changed(first.r, first.m, first.e, first.beta, "p:q1w", constant=first.constant)
    scores = attend.score(keys, attention.q.weight, looked, added)
    a0 = written.parts
    a1 = w.add("Mul", attend.softmax_beside_first(scores), "c:deviation")
    now = _Tokens(*attend.set_apart(attend.heads(attention.v.output, parts.head_channels)), a1)
    m0, of_one = _project(w, attend, written, f.out0_again, f.bias0_again * heads)
    m1, of_deviation = _project(w, attend, now, f.out1, f.bias1)
    ones = w.add("Concat", w.side(m0, 0, 1), [1, pixels], axis=0)
    ones = w.add("Expand", np.ones((1, 1, 1)), ones)
    second = w.add("Concat", ones, a1, "c:deviation", axis=1)
    r = w.add("Concat", a0, second, axis=1, out="t:r")
    later = w.add("Concat", of_one, m1, of_deviation, axis=1)
    m = w.add("Concat", m0, later, axis=1)
    # squared lengths: each pair of rows once, so those of different kinds twice
    mean = 1 / channels
    with_all = w.add("Concat", m0, w.add("Add", later, later), axis=1)
    twice = [w.add("Add", one, one) for one in (of_one, of_deviation)]
    with_later = w.add("Concat", twice[0], m1, twice[1], axis=1)
    gram0 = w.add("Mul", w.multiply(m0, with_all, turn="b"), mean)
    gram1 = w.add("Mul", w.multiply(m1, with_later, turn="b"), mean)
    of_0 = attend.rows(w.multiply(written.others, "p:s10"), pixels)
    of_1 = attend.rows(w.multiply(now.others, "p:s11"), pixels)
    length = w.add(
        "Add",
        _weigh(w, a0, w.multiply(gram0, r), of_0),
        _weigh(w, a1, w.multiply(gram1, second), of_1),
    )
    length = w.add("Add", length, "p:q1")
    length = w.add("Add", length, _give_pixels(w, parts, written.first, "p:s10"))
    length = w.add("Add", length, _multiply_means(w, of_one, of_one, mean))
    of_bias = w.add("Add", "p:q1b", _give_pixels(w, parts, now.first, "p:s11"))
    of_bias = w.add("Add", of_bias, _multiply_means(w, of_one, of_deviation, 2 * mean))
    square = _multiply_means(w, of_deviation, of_deviation, mean)
    of_bias = w.add("Add", of_bias, w.add("Mul", "c:deviation", square))
    length = w.add("Add", length, w.add("Mul", "c:deviation", of_bias))
    variance = w.add("Mul", w.add("Mul", length, first.e), first.e)
    deviation = w.add("Sqrt", w.add("Add", variance, norm.epsilon))
    w.add("Div", first.e, deviation, out="t:e")
    w.add("Mul", m, norm.scale, out="t:m")
    return picture_at_the_end(parts)


def _project(
    w: Writer, attend: Attend, tokens: _Tokens, weight: Array, bias: Array
) -> tuple[str, str]:
    """Project values: the others' (B, heads · (N - 1), C), and the first's (B, 1, C)."""
    channels = weight.shape[1]
    others = attend.rows(w.multiply(tokens.others, attend.per_head(weight)), channels)
    first = w.multiply(w.reshape(tokens.first, 0, 1, weight.shape[0]), weight)
    return others, w.add("Add", first, bias)


def _weigh(w: Writer, parts: str, a: str, b: str) -> str:
    """Sum ``parts * (a + b)`` over rows, (B, 1, P)."""
    return w.reduce("ReduceSum", w.add("Mul", parts, w.add("Add", a, b)), 1)


def _give_pixels(w: Writer, parts: Parts, first: str, weights: str, channels: int = 0) -> str:
    """Multiply a token's values with a term of the picture, for all prompts at once: (B, 1, P)."""
    length = parts.heads * (channels or parts.head_channels)
    given = w.multiply(w.reshape(first, -1, length), w.reshape(weights, length, parts.pixels))
    return w.reshape(given, -1, 1, parts.pixels)


def _multiply_means(w: Writer, a: str, b: str, factor: float) -> str:
    """Scalar products (B, 1, 1) of (B, 1, C), times a factor."""
    return w.add("Mul", w.reduce("ReduceSum", w.add("Mul", a, b), 2), factor)


def picture_at_the_end(parts: Parts) -> Changed:
    """Name the picture's tokens after the transformer."""
    r, m, e = OUTPUTS
    return Changed(r, m, e, parts.norms[1].bias, "p:k2", "p:v2")


def _stand_in_for_masks(w: Writer, parts: Parts) -> None:
    """Let masks be of one pixel here: scores may depend on how many there are, not on them."""
    channels = parts.upscales[1].weight.shape[-1]
    for name in parts.graph.shapes_of(parts.upscaled):
        w.add("Concat", w.side(parts.tokens, 0, 1), [channels, 1, 1], axis=0, out=name)
    w.add("MatMul", parts.hyper, np.zeros((channels, 1)), out=parts.product)
