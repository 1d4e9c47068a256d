"""Masks that take little memory until it is known which of them stay.

A grid finds thousands of masks of which suppression leaves some hundred. As booleans those of a
large plane would take gigabytes meanwhile. Masks that are kept on disk or sent to another process
are packed into a few arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.masks.mask import Mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray


_BLOCK = 2**23  # pixels in a block of masks; numpy asks for large pages from half of it on
_ALONE = 2**17  # pixels of a mask up to which it has memory of its own
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
        return replace(self.outline, crop=self._unpack_pixels().reshape(self.outline.crop.shape))

    def _unpack_pixels(self) -> NDArray[np.bool_]:
        size = self.outline.crop.size
        if self.runs is None:
            assert self.bits is not None
            return np.unpackbits(self.bits, count=size).view(bool)
        edges = np.concatenate([[0], self.runs, [size]])
        values = (np.arange(len(edges) - 1) % 2 == 0) == self.first
        return np.repeat(values, np.diff(edges))


def unpack_all(masks: Iterable[PackedMask]) -> Iterator[Mask]:
    """Unpack masks that are kept together, in their order.

    Those of a plane's size lie side by side in blocks, which the system gives in large pages:
    sooner than what they hold is written.
    """
    block, used = np.empty(0, bool), 0
    for mask in masks:
        size = mask.outline.crop.size
        if not _ALONE < size <= _BLOCK // 2:
            yield mask.unpack()
            continue
        if used + size > block.size:
            block, used = np.empty(_BLOCK, bool), 0
        pixels = block[used : used + size]
        pixels[:] = mask._unpack_pixels()
        used += size
        yield replace(mask.outline, crop=pixels.reshape(mask.outline.crop.shape))


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


def pack_masks(masks: Sequence[Mask]) -> dict[str, NDArray[Any]]:
    """Pack masks of one plane into arrays, without their logits and candidates."""
    bits = [np.packbits(mask.crop) for mask in masks]
    nowhere = (np.nan, np.nan)
    scores = [(m.predicted_iou, m.stability, m.rating) for m in masks]
    boxes = [(-1, -1, -1, -1) if m.crop_box is None else m.crop_box for m in masks]
    return {
        "shape": np.array(masks[0].shape if masks else (0, 0), np.int64),
        "boxes": np.array([m.bbox for m in masks], np.int64).reshape(-1, 4),
        "bits": np.concatenate([np.zeros(0, np.uint8), *bits]),
        "scores": np.array(scores, np.float64).reshape(-1, 3),
        "points": np.array([m.point or nowhere for m in masks], np.float64).reshape(-1, 2),
        "crop_boxes": np.array(boxes, np.int64).reshape(-1, 4),
        "labels": np.array([m.label for m in masks], np.int64),
    }


def unpack_masks(parts: Mapping[str, NDArray[Any]]) -> Iterator[Mask]:
    """Read what `pack_masks` gives."""
    shape = (int(parts["shape"][0]), int(parts["shape"][1]))
    start = 0
    names = ("boxes", "scores", "points", "crop_boxes", "labels")
    for box, scores, point, crop_box, label in zip(
        *(parts[name].tolist() for name in names), strict=True
    ):
        y0, x0, y1, x1 = box
        area = (y1 - y0) * (x1 - x0)
        stop = start + -(-area // 8)
        crop = np.unpackbits(parts["bits"][start:stop], count=area).view(bool)
        start = stop
        yield Mask(
            shape,
            (y0, x0),
            crop.reshape(y1 - y0, x1 - x0),
            scores[0],
            scores[1],
            point=None if np.isnan(point[0]) else (point[0], point[1]),
            crop_box=None if crop_box[0] < 0 else tuple(crop_box),
            rating=scores[2],
            label=label,
        )
