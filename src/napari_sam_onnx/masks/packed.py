"""The pixels of a mask in an eighth of their memory or less, unpacked when they are looked at.

A grid finds thousands of masks. As booleans those of a large plane would take gigabytes, and
fetching that memory would take longer than deciding which of them stay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask

_SMALL = 2**20  # pixels; their bits take 128 kB and are faster made and read than runs
_ALONE = 2**16  # pixels of a mask that may as well be kept as they are


@dataclass(frozen=True, slots=True, eq=False)
class PackedPixels:
    """What `Mask.pixels` may be in place of an array of bool.

    Parameters
    ----------
    shape : (h, w)
        Of the mask's box.
    first : bool
        The first pixel, row by row; with `runs`.
    runs : (R,) uint32, optional
        Where, row by row, a pixel differs from the one before.
    bits : (⌈h · w / 8⌉,) uint8, optional
        The pixels themselves, where runs would take more.
    """

    shape: tuple[int, int]
    first: bool
    runs: NDArray[np.uint32] | None
    bits: NDArray[np.uint8] | None

    @property
    def size(self) -> int:
        """Pixels of the box."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that it occupies."""
        return sum(part.nbytes for part in (self.runs, self.bits) if part is not None)

    def count(self) -> int:
        """Pixels that are set."""
        if self.bits is not None:
            return int(np.bitwise_count(self.bits).sum(dtype=np.int64))
        lengths = np.diff(self._edges())
        return int(lengths[0 if self.first else 1 :: 2].sum())

    def unpack(self, start: int = 0, stop: int | None = None) -> NDArray[np.bool_]:
        """Give the rows from `start` to `stop` as they were, all where omitted."""
        height, width = self.shape
        begin, end = start * width, (height if stop is None else stop) * width
        if self.bits is None:
            edges = np.clip(self._edges(), begin, end)
            values = (np.arange(len(edges) - 1) % 2 == 0) == self.first
            flat = np.repeat(values, np.diff(edges))
        else:
            whole = begin // 8 * 8  # the first bit of the first byte
            some = np.unpackbits(self.bits[whole // 8 : -(-end // 8)], count=end - whole)
            flat = some[begin - whole :].view(bool)
        return flat.reshape(-1, width) if width else np.zeros(self.shape, bool)

    def _edges(self) -> NDArray[np.int64]:
        assert self.runs is not None
        return np.concatenate([[0], self.runs, [self.size]]).astype(np.int64)


def pack(mask: Mask) -> Mask:
    """Pack a mask: a large one as runs, as those of smooth outlines are few, or else as bits."""
    crop = mask.crop
    shape = (crop.shape[0], crop.shape[1])
    if crop.size > _SMALL:
        flat = np.ascontiguousarray(crop).reshape(-1)
        changed = flat[1:] != flat[:-1]
        if 32 * np.count_nonzero(changed) < flat.size and flat.size < 2**32:
            runs = (np.flatnonzero(changed) + 1).astype(np.uint32)
            return replace(mask, pixels=PackedPixels(shape, bool(flat[0]), runs, None))
    return replace(mask, pixels=PackedPixels(shape, False, None, np.packbits(crop)))


def unpack_small(mask: Mask) -> Mask:
    """Unpack a mask unless it is so large that its pixels are better unpacked when looked at."""
    return mask if mask.pixels.size > _ALONE else replace(mask, pixels=mask.crop)
