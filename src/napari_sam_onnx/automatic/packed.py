"""Masks that take little memory until it is known which of them stay.

A grid finds thousands of masks of which suppression leaves some hundred. As booleans those of a
large plane would take gigabytes meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.masks import Mask


_SMALL = 2**20  # pixels; their bits take 128 kB and are faster made and read than runs


@dataclass(frozen=True, slots=True, eq=False)
class PackedMask:
    """A mask whose pixels are kept apart.

    Parameters
    ----------
    outline : Mask
        The mask with its box and its scores; its crop is a single value seen many times.
    first : bool
        The first pixel of the crop, row by row; with `runs`.
    runs : (R,) uint32, optional
        Where, row by row, a pixel differs from the one before.
    bits : (⌈h · w / 8⌉,) uint8, optional
        The pixels themselves, where runs would take more.
    """

    outline: Mask
    first: bool
    runs: NDArray[np.uint32] | None
    bits: NDArray[np.uint8] | None

    @property
    def nbytes(self) -> int:
        """Bytes that the pixels occupy."""
        return sum(part.nbytes for part in (self.runs, self.bits) if part is not None)

    def unpack(self) -> Mask:
        """Return the mask with its pixels."""
        height, width = self.outline.crop.shape
        if self.runs is None:
            assert self.bits is not None
            pixels = np.unpackbits(self.bits, count=height * width).view(bool)
        else:
            edges = np.concatenate([[0], self.runs, [height * width]])
            values = (np.arange(len(edges) - 1) % 2 == 0) == self.first
            pixels = np.repeat(values, np.diff(edges))
        return replace(self.outline, crop=pixels.reshape(height, width))


def pack(mask: Mask) -> PackedMask:
    """Pack a mask: a large one as runs, as those of smooth outlines are few, or else as bits."""
    crop = mask.crop
    outline = replace(mask, crop=np.broadcast_to(np.True_, crop.shape))
    if crop.size <= _SMALL:
        return PackedMask(outline, False, None, np.packbits(crop))
    flat = np.ascontiguousarray(crop).reshape(-1)
    changed = flat[1:] != flat[:-1]
    if 32 * np.count_nonzero(changed) < flat.size and flat.size < 2**32:
        runs = (np.flatnonzero(changed) + 1).astype(np.uint32)
        return PackedMask(outline, bool(flat[0]), runs, None)
    return PackedMask(outline, bool(flat[0]), None, np.packbits(flat))
