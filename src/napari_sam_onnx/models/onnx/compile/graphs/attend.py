"""Attention between a prompt's tokens and a picture of which only factors are known.

All that is as large as the picture is laid out (B, heads · N, P) or (B, heads, N, P): pixels
last, so that sums over tokens and softmaxes over pixels both run along whole rows. "Rows" are
(B, heads · N, …), "heads" are (B, heads, N, …).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.compile.graphs.writer import Writer
    from napari_sam_onnx.models.onnx.compile.structure.layers import Attention
    from napari_sam_onnx.models.onnx.compile.structure.parts import Parts

    Array = NDArray[np.float64]


_ALL = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """The picture's tokens as a prompt changed them: ``e * (x0 @ g + r @ m) + beta``.

    Parameters
    ----------
    r, m, e : str
        Tensors (B, R, P), (B, R, C), (B, 1, P).
    beta : (C,)
    keys, values : str
        Outputs of the picture's graph: ``x0 @ g`` times weights of keys and of values.
    constant : str
        (B, 1, C): what is added to ``r @ m`` at every pixel. Where there is one, keys and values
        hold a row of ones after the channels of each head.
    """

    r: str
    m: str
    e: str
    beta: Array
    keys: str
    values: str = ""
    constant: str = ""


class Attend:
    """Writes attentions.

    Parameters
    ----------
    writer : Writer
    parts : Parts
    scale : float
        Of scores.
    """

    def __init__(self, writer: Writer, parts: Parts, scale: float) -> None:
        self.w, self.parts, self.scale = writer, parts, scale

    def heads(self, tensor: str, channels: int) -> str:
        """(B, N, heads · c) to (B, heads, N, c)."""
        cut = self.w.reshape(tensor, 0, 0, self.parts.heads, channels)
        return self.w.add("Transpose", cut, perm=[0, 2, 1, 3])

    def join_heads(self, tensor: str, channels: int, out: str = "") -> str:
        """(B, heads, N, c) to (B, N, heads · c)."""
        turned = self.w.add("Transpose", tensor, perm=[0, 2, 1, 3])
        return self.w.reshape(turned, 0, 0, self.parts.heads * channels, out=out)

    def rows(self, tensor: str, last: int) -> str:
        """(B, heads, N, last) to (B, heads · N, last)."""
        return self.w.reshape(tensor, 0, -1, last)

    def from_rows(self, tensor: str, last: int) -> str:
        """(B, heads · N, last) to (B, heads, N, last)."""
        return self.w.reshape(tensor, 0, self.parts.heads, -1, last)

    def per_head(self, weight: Array) -> Array:
        """(heads · c, C) to (1, heads, c, C)."""
        return weight.reshape(1, self.parts.heads, -1, weight.shape[-1])

    def per_head_turned(self, weight: Array) -> Array:
        """(C, heads · c) to (1, heads, C, c)."""
        return self.per_head(weight.T).transpose(0, 1, 3, 2)

    def over_pixels(self, tensor: str) -> str:
        """(B, 1, P) to (B, 1, 1, P)."""
        return self.w.reshape(tensor, 0, 1, 1, self.parts.pixels)

    def among_tokens(self, attention: Attention) -> None:
        """Let tokens look at themselves, up to its output projection."""
        channels = attention.q.weight.shape[1] // self.parts.heads
        q, k, v = (
            self.heads(linear.output, channels)
            for linear in (attention.q, attention.k, attention.v)
        )
        scores = self.w.add("Mul", self.w.multiply(q, k, turn="b"), channels**-0.5)
        weighed = self.w.multiply(self.w.add("Softmax", scores, axis=-1), v)
        self.join_heads(weighed, channels, out=attention.out.input)

    def look_at_first(self, attention: Attention, keys: str, values: str) -> None:
        """Let tokens look at ``x0``, up to their output projection."""
        q = self.heads(attention.q.output, self.parts.head_channels)
        part = self.w.add("Softmax", self.w.multiply(q, keys), axis=-1)
        self._give(attention, self.w.multiply(part, values, turn="b"), attention.v.bias)

    def look(self, attention: Attention, picture: Changed, those: tuple[int, int] = (0, 0)) -> None:
        """Let tokens look at a changed picture, up to their output projection.

        Only `those` look, from one number to another, or all; what the others get is of no use.

        A number that is added to all scores of a token changes nothing in a softmax over
        pixels, so neither `beta` nor the keys' bias matters; since the softmax adds up to 1,
        both are added to the values at the end.
        """
        w, pixels, channels = self.w, self.parts.pixels, self.parts.channels
        asked = attention.q.output
        begin, end = those
        before = [w.add("Slice", asked, [0], [begin], [1])] if begin else []
        after = [w.add("Slice", asked, [end], [_ALL], [1])] if end else []
        if end:
            asked = w.add("Slice", asked, [begin], [end], [1])
        q = self.heads(asked, self.parts.head_channels)
        scores = self.score(
            q, attention.k.weight, picture, self.parts.position @ attention.k.weight
        )
        part = w.add("Softmax", scores, axis=-1)
        part = w.add("Mul", part, self.over_pixels(picture.e))
        weight = attention.v.weight
        in_r = w.multiply(self.rows(part, pixels), picture.r, turn="b")  # (B, heads · N, R)
        of_r = w.multiply(in_r, picture.m)
        of_x0 = w.multiply(part, picture.values, turn="b")
        if picture.constant:
            of_x0, whole = w.split(of_x0, [self.parts.head_channels, 1], axis=3)
            of_r = w.add("Add", of_r, w.add("Mul", self.rows(whole, 1), picture.constant))
        of_r = w.multiply(self.from_rows(of_r, channels), self.per_head_turned(weight))
        seen = w.add("Add", of_x0, of_r)
        self._give(attention, seen, picture.beta @ weight + attention.v.bias, before, after)

    def score(self, tokens: str, weight: Array, picture: Changed, added: Array) -> str:
        """Score tokens against pixels, times `scale`.

        Parameters
        ----------
        tokens : str
            (B, heads, N, c)
        weight : (C, heads · c)
            Of the picture's side.
        picture : Changed
        added : (P, heads · c)
            What is added to the picture's tokens after multiplying with `weight`.
        """
        w, pixels = self.w, self.parts.pixels
        folded = w.multiply(tokens, self.per_head(weight.T * self.scale))
        folded = self.rows(folded, self.parts.channels)
        asked = tokens
        if picture.constant:
            alone = self.from_rows(w.multiply(folded, picture.constant, turn="b"), 1)
            asked = w.add("Concat", tokens, alone, axis=3)
        of_r = w.multiply(w.multiply(folded, picture.m, turn="b"), picture.r)
        of_r = self.from_rows(of_r, pixels)
        scores = w.add("Add", w.multiply(asked, picture.keys), of_r)
        scores = w.add("Mul", scores, self.over_pixels(picture.e))
        placed = self.per_head(added.T * self.scale)
        return w.add("Add", scores, w.multiply(tokens, placed))

    def set_apart(self, tensor: str) -> tuple[str, str]:
        """Cut (B, heads, N, c) into its first token, and how the others differ from it.

        The parts that a pixel takes of all tokens add up to 1, so the first token's part need
        not be known: ``sum(a[n] * v[n]) = v[0] + sum(a[n] * (v[n] - v[0]))``.
        """
        first = self.w.add("Slice", tensor, [0], [1], [2])
        others = self.w.add("Slice", tensor, [1], [_ALL], [2])
        return first, self.w.add("Sub", others, first)

    def softmax_beside_first(self, scores: str) -> str:
        """Take the softmax over N of scores relative to the first token's.

        Parameters
        ----------
        scores : (B, heads, N - 1, P)

        Returns
        -------
        (B, heads · (N - 1), P)
            The others' parts.
        """
        w = self.w
        highest = w.add("Relu", w.reduce("ReduceMax", scores, 2))
        raised = w.add("Exp", w.add("Sub", scores, highest))
        of_first = w.add("Exp", w.add("Neg", highest))
        part = w.add("Div", raised, w.add("Add", w.reduce("ReduceSum", raised, 2), of_first))
        return self.rows(part, self.parts.pixels)

    def _give(
        self,
        attention: Attention,
        weighed: str,
        bias: Array,
        before: Sequence[str] = (),
        after: Sequence[str] = (),
    ) -> None:
        joined = self.join_heads(weighed, self.parts.head_channels)
        if not (before or after):
            self.w.add("Add", joined, bias, out=attention.out.input)
            return
        given = self.w.add("Add", joined, bias)
        self.w.add("Concat", *before, given, *after, axis=1, out=attention.out.input)
