"""Objects painted as they are found, until the plane's final labels replace them.

What a run finds on the way overlaps: neighbouring tiles see the same object, whole or cut by
their seam. Here the larger of two that share most of the smaller one stays, which is near to what
the run decides at its end, and good enough to keep where it is cancelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.masks.regions import Region

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.planes import PlaneSink

SAME = 0.5
"""Two masks are one object where they share more than this part of the smaller one."""


class Draft:
    """Paints masks into the planes of a label image.

    Parameters
    ----------
    labels : PlaneSink
        With planes that can be read back cheaply, in memory.
    """

    def __init__(self, labels: PlaneSink) -> None:
        self._labels = labels
        self._index: tuple[int, ...] | None = None
        self._objects: dict[int, Mask] = {}
        self._last = 0

    def __len__(self) -> int:
        """Count the objects on the plane that is being painted."""
        return len(self._objects)

    def begin(self, index: tuple[int, ...], last: int) -> None:
        """Go to a plane, unless it is this one; numbers go on after the last one given."""
        if index != self._index:
            self._index, self._objects, self._last = index, {}, last

    def clear(self) -> None:
        """Leave the plane: its final labels are written."""
        self._index, self._objects = None, {}

    def add(self, masks: Iterable[Mask]) -> None:
        """Paint masks that were found on the plane."""
        for mask in masks:
            if mask:
                self._paint(mask)

    def _paint(self, mask: Mask) -> None:
        assert self._index is not None
        place = Region(mask.bbox)
        there = self._labels.read(self._index, place)
        numbers, counts = np.unique(there[mask.crop & (there > 0)], return_counts=True)
        covered = []
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            other = self._objects.get(number)
            if other is None or count <= SAME * min(mask.area, other.area):
                continue
            if mask.area <= other.area:
                return
            covered.append(number)
        for number in covered:
            self._erase(number)
        there = np.array(self._labels.read(self._index, place))
        free = mask.crop & (there == 0)
        if free.any():
            self._last += 1
            there[free] = self._last
            self._labels.write(self._index, there, place)
            self._objects[self._last] = mask

    def _erase(self, number: int) -> None:
        assert self._index is not None
        place = Region(self._objects.pop(number).bbox)
        there = np.array(self._labels.read(self._index, place))
        there[there == number] = 0
        self._labels.write(self._index, there, place)
