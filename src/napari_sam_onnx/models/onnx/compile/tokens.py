"""The graph that runs per prompt: tokens look at the picture, and the picture at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.models.onnx.compile.attend import Attend, Changed
from napari_sam_onnx.models.onnx.compile.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_sam_onnx.models.onnx.compile.factors import Factors
    from napari_sam_onnx.models.onnx.compile.parts import Parts

OUTPUTS = ("t:r", "t:m", "t:e")
"""The picture after the transformer, as factors; see `Changed`."""


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
    first, values0, a0 = _write_layer_0(w, attend, parts, factors)
    attend.look(parts.looking[1], first)
    last = _write_layer_1(w, attend, parts, factors, first, values0, a0)
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
) -> tuple[Changed, str, str]:
    """Let the picture look at the tokens; give also the tokens' values, and the attention."""
    f, channels, pixels = factors, parts.channels, parts.pixels
    attention, norm = parts.writing[0], parts.norms[0]
    keys = attend.heads(attention.k.output, parts.head_channels)
    values = attend.heads(attention.v.output, parts.head_channels)
    a0 = attend.softmax_over_tokens(w.multiply(keys, "p:q0w"))
    u0 = attend.rows(w.multiply(values, attend.per_head(f.out0)), channels)
    u0 = w.add("Add", u0, f.bias0)
    gram = w.add("Mul", w.multiply(u0, u0, turn="b"), 1 / channels)
    with_x0 = attend.rows(w.multiply(values, "p:s00"), pixels)
    lengths = w.add("Mul", a0, w.add("Add", with_x0, w.multiply(gram, a0)))
    variance = w.add("Add", w.reduce("ReduceSum", lengths, 1), "p:q0")
    deviation = w.add("Sqrt", w.add("Add", variance, norm.epsilon), out="c:deviation")
    d1 = w.add("Reciprocal", deviation)
    m0 = w.add("Mul", u0, norm.scale)
    return Changed(a0, m0, d1, norm.bias, "p:k1", "p:v1"), values, a0


def _write_layer_1(
    w: Writer,
    attend: Attend,
    parts: Parts,
    factors: Factors,
    first: Changed,
    values0: str,
    a0: str,
) -> Changed:
    """Let the picture look at the tokens once more.

    With ``r = [a0, a1 / d1, 1 / d1]`` everything that a prompt adds has the factor d1 · d2.
    """
    f, channels, pixels = factors, parts.channels, parts.pixels
    attention, norm = parts.writing[1], parts.norms[1]
    keys = attend.heads(attention.k.output, parts.head_channels)
    values1 = attend.heads(attention.v.output, parts.head_channels)
    added = (parts.position + first.beta) @ attention.q.weight + attention.q.bias
    looked = Changed(first.r, first.m, first.e, first.beta, "p:q1w")
    scores = attend.score(keys, attention.q.weight, looked, added)
    a1 = w.add("Mul", attend.softmax_over_tokens(scores), "c:deviation")
    r = w.add("Concat", a0, a1, "c:deviation", axis=1, out="t:r")
    m0 = attend.rows(w.multiply(values0, attend.per_head(f.out0_again)), channels)
    m0 = w.add("Add", m0, f.bias0_again)
    u1 = attend.rows(w.multiply(values1, attend.per_head(f.out1)), channels)
    sides = w.add("Concat", w.side(m0, 0, 1), [1, channels], axis=0)
    bias = w.add("Expand", f.bias1[None, None], sides)
    m1 = w.add("Concat", m0, u1, bias, axis=1)
    gram = w.add("Mul", w.multiply(m1, m1, turn="b"), 1 / channels)
    own = w.reduce("ReduceSum", w.add("Mul", r, w.multiply(gram, r)), 1)
    of_0 = w.add("Mul", a0, attend.rows(w.multiply(values0, "p:s10"), pixels))
    of_1 = w.add("Mul", a1, attend.rows(w.multiply(values1, "p:s11"), pixels))
    with_x0 = w.reduce("ReduceSum", w.add("Add", of_0, of_1), 1)
    of_bias = w.add("Mul", "c:deviation", "p:q1b")
    length = w.add("Add", w.add("Add", own, with_x0), w.add("Add", "p:q1", of_bias))
    variance = w.add("Mul", w.add("Mul", length, first.e), first.e)
    deviation = w.add("Sqrt", w.add("Add", variance, norm.epsilon))
    w.add("Div", first.e, deviation, out="t:e")
    w.add("Mul", m1, norm.scale, out="t:m")
    return picture_at_the_end(parts)


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
