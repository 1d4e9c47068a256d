"""The graph that runs for the prompts whose masks are wanted: upscaling, and the masks.

A transposed convolution with stride 2 and a 2 × 2 kernel is one matrix product whose rows are
pixels; rearranging is left to the end, where 4 masks are rearranged and not 32 channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.onnx.compile.tokens import OUTPUTS, open_prompts
from napari_sam_onnx.models.onnx.compile.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_sam_onnx.models.onnx.compile.factors import Factors
    from napari_sam_onnx.models.onnx.compile.parts import Parts


def write_masks(parts: Parts, factors: Factors, per_prompt: Collection[str]) -> bytes:
    """Write the graph; see `write_tokens`. Its output is the decoder's masks."""
    w = Writer(parts.graph)
    pixels, side = parts.pixels, parts.side
    first, second = parts.upscales
    between, channels = first.weight.shape[-1], second.weight.shape[-1]
    after = w.multiply("t:m", factors.upscale)
    y = w.add("Add", w.multiply("t:r", after, turn="a"), "p:z")  # (B, P, 4 · between)
    y = w.add("Mul", y, w.reshape("t:e", 0, pixels, 1))
    y = w.add("Add", y, parts.norms[1].bias @ factors.upscale + np.tile(first.bias, 4))
    if first.feature:
        y = w.add("Add", y, "p:f0")
    y = w.reshape(y, 0, pixels * 4, between)
    norm = parts.upscale_norm
    y = w.add("LayerNormalization", y, norm.scale, norm.bias, axis=-1, epsilon=norm.epsilon)
    y = w.add("Gelu", y, domain="com.microsoft")
    y = w.multiply(y, second.weight.reshape(between, -1))
    y = w.add("Add", y, np.tile(second.bias, 4))  # (B, 4 P, 4 · channels)
    if second.feature:
        y = w.add("Add", y, "p:f1")
    y = w.reshape(w.add("Gelu", y, domain="com.microsoft"), 0, pixels * 16, channels)
    masks = w.multiply(parts.hyper, y, turn="b")  # (B, M, 16 P): (y, x, dy, dx, ey, ex)
    masks = w.reshape(masks, -1, side, side, 2, 2, 2, 2)
    masks = w.add("Transpose", masks, perm=[0, 1, 3, 5, 2, 4, 6])
    sides = w.add("Concat", w.side(parts.hyper, 0, 2), [pixels * 16], axis=0)
    w.add("Reshape", masks, sides, out=parts.product)
    for name in parts.graph.shapes_of(parts.upscaled):
        shape = [channels, side * 4, side * 4]
        w.add("Concat", w.side(parts.tokens, 0, 1), shape, axis=0, out=name)
    made_before = {*OUTPUTS, parts.tokens, "p:z", "p:f0", "p:f1"}
    given = set(parts.graph.inputs) | made_before
    w.copy([*(w.taken() - given), parts.masks], given)
    return w.finish(dict.fromkeys(made_before) | open_prompts(parts, per_prompt), [parts.masks])
