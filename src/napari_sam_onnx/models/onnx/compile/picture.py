"""The graph that runs once per picture: everything that all prompts share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.onnx.compile.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_onnx.models.onnx.compile.factors import Array, Factors
    from napari_sam_onnx.models.onnx.compile.parts import Parts

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
        adds to the second, ``p:z`` what they become in the first transposed convolution.
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
    rows = w.split(everything, [weight.shape[1] for weight, _ in terms.values()])
    for (name, (_, added)), tensor in zip(terms.items(), rows, strict=True):
        plus = tensor if added is None else w.add("Add", tensor, added.T)
        w.reshape(plus, 1, parts.heads, -1, pixels, out=name)
    outputs = [*terms, *_write_lengths(w, parts, factors, x0)]
    w.multiply(x0, factors.g2 @ factors.upscale, out="p:z")
    outputs.append("p:z")
    for number, upscale in enumerate(parts.upscales):
        if upscale.feature:
            outputs.append(_write_feature(w, parts, number, upscale.feature))
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


def _write_feature(w: Writer, parts: Parts, number: int, feature: str) -> str:
    """Bring a feature map (1, c, h, w) in the order in which upscaling computes."""
    side, name = parts.side, f"p:f{number}"
    channels = parts.upscales[number].weight.shape[-1]
    if number == 0:  # (y, dy, x, dx) -> (y, x, dy, dx, c)
        cut = w.reshape(feature, channels, side, 2, side, 2)
        turned = w.add("Transpose", cut, perm=[1, 3, 2, 4, 0])
    else:  # (y, dy, ey, x, dx, ex) -> (y, x, dy, dx, ey, ex, c)
        cut = w.reshape(feature, channels, side, 2, 2, side, 2, 2)
        turned = w.add("Transpose", cut, perm=[1, 4, 2, 5, 3, 6, 0])
    w.reshape(turned, parts.pixels * 4**number, -1, out=name)
    return name
