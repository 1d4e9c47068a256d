"""The graph that runs once per picture: everything that all prompts share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.onnx.compile.graphs.masks import biases
from napari_sam_onnx.models.onnx.compile.graphs.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_onnx.models.onnx.compile.graphs.factors import Array, Factors
    from napari_sam_onnx.models.onnx.compile.structure.parts import Parts

_WITH_ONES = ("p:s00", "p:k1", "p:v1", "p:q1w")
"""Terms with a row of ones after the channels of each head, for what is the same everywhere."""

_PROMPT_POINTS = 2  # of the made-up prompt that parts of the graph look at the sides of


def write_picture(parts: Parts, factors: Factors, shared: Iterable[str]) -> bytes:
    """Write the graph.

    Parameters
    ----------
    parts, factors
        The decoder.
    shared : iterable of str
        Inputs that belong to the picture: the embedding, and an earlier mask.

    Returns
    -------
    bytes
        Its outputs are named ``p:…``; see `list_terms`. ``p:q0`` and ``p:q1`` are the squared
        lengths of the picture's tokens before each normalisation, ``p:q1b`` what the bias
        adds to the second, ``p:z0`` and ``p:z1`` what they become in the two rows of the first
        transposed convolution; ``p:f…`` are features that are added to the convolutions, with
        their biases.
    """
    w = Writer(parts.graph)
    channels, pixels = parts.channels, parts.pixels
    inputs = parts.graph.inputs
    given = [name for name in inputs if name in set(shared)]
    for name in set(inputs) - set(given):
        sides = [d.dim_value or _PROMPT_POINTS for d in inputs[name].type.tensor_type.shape.dim]
        sides[0] = 1 if len(sides) > 1 else sides[0]
        w.constant(np.zeros(sides, np.float32), name)
    features = [upscale.feature for upscale in parts.upscales if upscale.feature]
    w.copy([parts.picture, *features], given)
    x0 = w.reshape(parts.picture, pixels, channels)
    terms = list_terms(parts, factors)
    weights = np.concatenate([weight for weight, _ in terms.values()], axis=1)
    everything = w.multiply(w.constant(weights.T), w.add("Transpose", x0, perm=[1, 0]))
    ones = w.constant(np.ones((1, 1, 1, 1), np.float32))
    rows = w.split(everything, [weight.shape[1] for weight, _ in terms.values()])
    for (name, (_, added)), tensor in zip(terms.items(), rows, strict=True):
        plus = tensor if added is None else w.add("Add", tensor, added.T)
        if name not in _WITH_ONES:
            w.reshape(plus, 1, parts.heads, -1, pixels, out=name)
            continue
        plus = w.reshape(plus, 1, parts.heads, -1, pixels)
        w.add("Concat", plus, w.add("Expand", ones, [1, parts.heads, 1, pixels]), axis=2, out=name)
    outputs = [*terms, *_write_lengths(w, parts, factors, x0)]
    for dy, half in enumerate(np.split(factors.g2 @ factors.upscale, 2, axis=1)):
        outputs.append(w.multiply(x0, half, out=f"p:z{dy}"))
    first, second = parts.upscales
    if first.feature:
        outputs += _write_first_feature(w, parts, factors, first.feature)
    if second.feature:
        outputs += _write_second_feature(w, parts, second.feature)
    return w.finish(inputs, outputs)


def list_terms(parts: Parts, factors: Factors) -> dict[str, tuple[Array, Array | None]]:
    """List what the picture's tokens are multiplied with.

    Returns
    -------
    dict of str to (weight, added)
        By output: ``x0 @ weight + added``, given as (1, heads, channels of a head, P).
        ``k`` and ``v`` are looked at by tokens, ``q`` looks at tokens, in layer 0, 1 and last;
        ``s`` are products with output projections, from which lengths are made.
    """
    f, place = factors, parts.position
    look0, look1, look2 = parts.looking
    write0, write1 = parts.writing
    twice = 2 / parts.channels
    return {
        "p:k0": (look0.k.weight * f.scale, place @ look0.k.weight * f.scale),
        "p:v0": (look0.v.weight, None),
        "p:q0w": (
            write0.q.weight * f.scale,
            (place @ write0.q.weight + write0.q.bias) * f.scale,
        ),
        "p:s00": (f.centring @ f.out0.T * twice, None),
        "p:k1": (f.g1 @ look1.k.weight * f.scale, None),
        "p:v1": (f.g1 @ look1.v.weight, None),
        "p:q1w": (f.g1 @ write1.q.weight * f.scale, None),
        "p:s10": (f.g1_centred @ f.out0_again.T * twice, None),
        "p:s11": (f.g1_centred @ f.out1.T * twice, None),
        "p:k2": (f.g2 @ look2.k.weight * f.scale, None),
        "p:v2": (f.g2 @ look2.v.weight, None),
    }


def _write_lengths(w: Writer, parts: Parts, factors: Factors, x0: str) -> list[str]:
    """Measure mean squares of centred tokens, (1, 1, P), with what biases add to them."""
    f, twice = factors, 2 / parts.channels
    centred = w.add("Sub", x0, w.reduce("ReduceMean", x0, 1))
    scaled = w.add("Mul", centred, parts.norms[0].scale)
    again = w.add("Sub", scaled, w.reduce("ReduceMean", scaled, 1))
    for name, tensor, bias in (
        ("p:q0", centred, f.bias0 * parts.heads),
        ("p:q1", again, f.bias0_again * parts.heads),
    ):
        square = w.reduce("ReduceMean", w.add("Mul", tensor, tensor), 1)
        added = w.multiply(tensor, bias[:, None] * twice)
        w.reshape(w.add("Add", square, added), 1, 1, -1, out=name)
    of_bias = w.multiply(again, f.bias1[:, None] * twice)
    w.reshape(of_bias, 1, 1, -1, out="p:q1b")
    return ["p:q0", "p:q1", "p:q1b"]


def _write_first_feature(w: Writer, parts: Parts, factors: Factors, feature: str) -> list[str]:
    """Bring (1, c, 2 side, 2 side) in the order of the first upscaling: (y, x) by (dx, c)."""
    side, outputs = parts.side, []
    cut = w.reshape(feature, -1, side, 2, side, 2)  # (c, y, dy, x, dx)
    turned = w.add("Transpose", cut, perm=[2, 1, 3, 4, 0])
    for dy, (row, bias) in enumerate(
        zip(w.split(turned, [1, 1]), biases(parts, factors), strict=True)
    ):
        flat = w.reshape(row, parts.pixels, -1)
        outputs.append(w.add("Add", flat, bias, out=f"p:f0{dy}"))
    return outputs


def _write_second_feature(w: Writer, parts: Parts, feature: str) -> list[str]:
    """Bring (1, c, 4 side, 4 side) in the order of the second: (y, x, dx) by (ex, c)."""
    side, second, outputs = parts.side, parts.upscales[1], []
    cut = w.reshape(feature, -1, side, 4, side, 2, 2)  # (c, y, (dy, ey), x, dx, ex)
    turned = w.add("Transpose", cut, perm=[2, 1, 3, 4, 5, 0])
    for number, row in enumerate(w.split(turned, [1] * 4)):
        flat = w.reshape(row, parts.pixels * 2, -1)
        name = f"p:f1{number // 2}{number % 2}"
        outputs.append(w.add("Add", flat, np.tile(second.bias, 2), out=name))
    return outputs
