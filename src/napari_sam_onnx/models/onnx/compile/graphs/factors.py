"""Weights multiplied with each other, so that fewer products are left for each prompt.

The picture's tokens are ``x0`` (P, C). After each of the two layers they are

    x1 = norm(x0 + a0 @ u0) = d1 * (x0 @ g1 + a0 @ m0) + beta1
    x2 = norm(x1 + a1 @ u1) = e2 * (x0 @ g2 + r @ m2) + beta2

where ``a0`` and ``a1`` (P, heads · N) are attentions over the N tokens of a prompt, ``u`` and
``m`` (heads · N, C) are made of tokens alone, ``d1`` and ``e2`` are one number per pixel, and
``g1``, ``g2`` (C, C) are weights: centring and scale of the normalisations. So whatever
multiplies ``x0`` with weights is the same for every prompt and is computed once per picture,
and what a prompt adds has rank heads · N instead of C. Neither ``x1`` nor ``x2`` is ever made.
Since each head's attentions add up to 1, biases move to where they cost nothing, and one token of
each head need not be weighed: the others count by how they differ from it, so the rank is
heads · (N - 1), and 1 for what is the same at every pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.compile.structure.parts import Parts

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """See above; "centred" is with the mean over channels taken off.

    Parameters
    ----------
    centring : (C, C)
    g1, g1_centred, g2 : (C, C)
    scale : float
        Of attention scores.
    out0, out0_again, out1 : (heads · channels of a head, C)
        Output projections of `Parts.writing`, centred; `out0_again` after the first
        normalisation's scale, centred once more.
    bias0, bias0_again : (C,)
        Their biases, one head's share of them.
    bias1 : (C,)
        The first normalisation's bias and the second projection's, centred.
    upscale : (C, 4 c)
        The first transposed convolution, as a matrix.
    """

    centring: Array
    g1: Array
    g1_centred: Array
    g2: Array
    scale: float
    out0: Array
    out0_again: Array
    out1: Array
    bias0: Array
    bias0_again: Array
    bias1: Array
    upscale: Array


def multiply_weights(parts: Parts) -> Factors:
    """Make the factors of a decoder."""
    channels = parts.channels
    centring = np.eye(channels) - 1 / channels
    first, second = parts.norms
    out0, out1 = (attention.out for attention in parts.writing)
    g1 = centring * first.scale
    g1_centred = g1 @ centring
    again = centring * first.scale @ centring
    return Factors(
        centring=centring,
        g1=g1,
        g1_centred=g1_centred,
        g2=g1_centred * second.scale,
        scale=parts.head_channels**-0.5,
        out0=out0.weight @ centring,
        out0_again=out0.weight @ again,
        out1=out1.weight @ centring,
        bias0=out0.bias @ centring / parts.heads,
        bias0_again=out0.bias @ again / parts.heads,
        bias1=(first.bias + out1.bias) @ centring,
        upscale=parts.upscales[0].weight.reshape(channels, -1),
    )
