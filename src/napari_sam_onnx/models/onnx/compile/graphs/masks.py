"""The graph that runs for the prompts whose masks are wanted: upscaling, and the masks.

A transposed convolution with stride 2 and a 2 × 2 kernel is one matrix product whose rows are
pixels. It is split by the row of the kernel, so that what comes out of both, one after the other,
are whole rows of the masks: ``(y)(x, dx, ex)`` for each ``(dy, ey)``. Nothing else is rearranged,
and each of the pieces is small enough to stay in the processor's cache.

Of a plane that is wider than high the last rows of the picture are padding. Where the terms
``p:z…`` and ``p:f…`` are given without them, the masks have `NOT_DRAWN` there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.onnx.compile.graphs.attend import Attend
from napari_sam_onnx.models.onnx.compile.graphs.tokens import (
    OUTPUTS,
    list_tokens,
    open_prompts,
    picture_at_the_end,
)
from napari_sam_onnx.models.onnx.compile.graphs.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.compile.graphs.factors import Factors
    from napari_sam_onnx.models.onnx.compile.structure.parts import Parts

_ROWS = (0, 1)  # of a kernel

NOT_DRAWN = -1e4
"""Logit of what was not asked for."""


def write_masks(parts: Parts, factors: Factors, per_prompt: Collection[str]) -> bytes:
    """Write the graph, for one prompt; see `write_tokens`. Its output is the decoder's masks."""
    w = Writer(parts.graph)
    pixels, side = parts.pixels, parts.side
    second = parts.upscales[1]
    channels = second.weight.shape[-1]
    Attend(w, parts, factors.scale).look(
        parts.looking[2], picture_at_the_end(parts), parts.read_by_masks
    )
    drawn = w.side("p:z0", 0, 1)
    r = w.add("Slice", "t:r", [0], drawn, [2])
    e = w.reshape(w.add("Slice", "t:e", [0], drawn, [2]), -1, 1)
    after = w.multiply(w.reshape("t:m", -1, parts.channels), factors.upscale)
    halves = w.split(after, [factors.upscale.shape[1] // 2] * 2, axis=1)
    hyper = w.reshape(parts.hyper, -1, channels)
    lines = []
    for dy, half in zip(_ROWS, halves, strict=True):
        y = _upscale_once(w, parts, factors, (r, e, half), dy)
        for ey in _ROWS:
            weight = second.weight[:, ey].reshape(second.weight.shape[0], -1)
            bias = f"p:f1{dy}{ey}" if second.feature else w.constant(np.tile(second.bias, 2))
            z = w.add("Gelu", w.add("Gemm", y, weight, bias), domain="com.microsoft")
            z = w.multiply(hyper, w.reshape(z, -1, channels), turn="b")  # (M, 4 P): (y, x, dx, ex)
            lines.append(w.reshape(z, 0, -1, 1, side * 4))
    masks = w.add("Concat", *lines, axis=2)  # (M, y, (dy, ey), 4 side)
    masks = w.reshape(masks, 0, -1)
    beyond = w.add("Mul", w.add("Sub", [pixels], drawn), [16])
    pads = w.add("Concat", [0, 0, 0], beyond, axis=0)
    masks = w.add("Pad", masks, pads, np.float64(NOT_DRAWN))
    sides = w.add("Concat", w.side(parts.hyper, 0, 2), [pixels * 16], axis=0)
    w.add("Reshape", masks, sides, out=parts.product)
    for name in parts.graph.shapes_of(parts.upscaled):
        shape = [channels, side * 4, side * 4]
        w.add("Concat", w.side(parts.tokens, 0, 1), shape, axis=0, out=name)
    of_picture = {name for name in w.taken() if name.startswith("p:")}
    made_before = {*of_picture, *OUTPUTS, *list_tokens(parts)}
    given = set(parts.graph.inputs) | made_before
    w.copy([*(w.taken() - given), parts.masks], given)
    return w.finish(dict.fromkeys(made_before) | open_prompts(parts, per_prompt), [parts.masks])


def _upscale_once(
    w: Writer, parts: Parts, factors: Factors, picture: tuple[str, str, str], dy: int
) -> str:
    """Give one row of the first kernel for all pixels, (2 P, c): ``(y, x, dx)``."""
    r, e, after = picture
    first, norm = parts.upscales[0], parts.upscale_norm
    between = first.weight.shape[-1]
    r = w.add("Squeeze", r, [0])
    y = w.add("Gemm", r, after, f"p:z{dy}", transA=1)  # (P, 2 c)
    y = w.add("Mul", y, e)
    y = w.add("Add", y, f"p:f0{dy}" if first.feature else biases(parts, factors)[dy])
    y = w.reshape(y, -1, between)
    y = w.add("LayerNormalization", y, norm.scale, norm.bias, axis=-1, epsilon=norm.epsilon)
    return w.add("Gelu", y, domain="com.microsoft")


def biases(parts: Parts, factors: Factors) -> NDArray[np.float64]:
    """Give what the first transposed convolution adds to each pixel, (2, 2 c): by ``dy``."""
    after = parts.norms[1].bias @ factors.upscale + np.tile(parts.upscales[0].bias, 4)
    return np.asarray(after.reshape(2, -1))
