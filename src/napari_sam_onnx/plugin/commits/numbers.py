"""Which number the next object of a label image gets: one that no pixel holds.

Numbers only grow, but for those of objects that were undone and have left no pixel.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.labels.label_store import find_largest
from napari_sam_onnx.memory import cut_strips
from napari_sam_onnx.plugin.layers.labels import LabelledPlane
from napari_sam_onnx.plugin.picture.plane import plane_shape, take_plane
from napari_sam_onnx.plugin.session.lanes import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.layers.snapshot import Paint
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.session.lanes import Lane

QUICK_PIXELS = 4_000_000
"""Larger label images, and those that are not in memory, are searched in a worker."""


ROWS = 1024
"""So many rows of a plane on disk are read at once."""

STRIP_PIXELS = 250_000
"""Labels are compared so many at a time, which stay in the processor's cache."""


class Numbers:
    """The numbers of one label image.

    Parameters
    ----------
    layer : napari Labels layer
    lane : Lane
        Where large label images are searched.
    changed : callable
        Called without arguments when the next number is another.
    """

    def __init__(self, layer: Labels, lane: Lane, changed: Callable[[], None]) -> None:
        self.layer = layer
        self._lane, self._changed = lane, changed
        self._next: int | None = None
        self._searching = False
        self._writes = 0
        self._waiting: list[tuple[Callable[[], None], Callable[[Exception], None]]] = []
        layer.events.data.connect(self._on_data)
        layer.events.paint.connect(self._on_painted)

    @property
    def next(self) -> int | None:
        """The number of the next object; None while it is being found out."""
        return self._next

    def choose(self, number: int) -> None:
        """Let the next object have a number, where no pixel holds it."""
        self._next = number
        self._changed()

    def when_known(self, do: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        """Do something as soon as the next number is known, or say why it cannot be known."""
        if self._next is not None:
            do()
            return
        self._waiting.append((do, failed))
        if not self._searching:
            self.search()

    def find_free(self, plane: Plane) -> int:
        """Return the next number, past any that was painted meanwhile."""
        assert self._next is not None
        if self._is_held(self._next, plane):
            self._next = max(self._next, find_largest(take_plane(self.layer.data, plane))) + 1
            if self._quick and self._is_held(self._next, plane):
                self._next = find_largest(self.layer.data) + 1
        return self._next

    def take(self, paints: Sequence[Paint]) -> None:
        """Count the numbers of objects that were painted."""
        if self._next is not None and paints:
            self._next = max(self._next, *(int(paint.after.max()) + 1 for paint in paints))
            self._changed()

    def give_back(self, paints: Sequence[Paint]) -> None:
        """Use the numbers of objects that were undone again, where no pixel holds them."""
        for paint in paints:
            number = int(paint.after.max(initial=0))
            last = self._next is not None and self._next == number + 1 and number > 0
            if last and self._quick and not np.any(np.asarray(self.layer.data) == number):
                self._next = number
        self._changed()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Tell our own strokes from the user's."""
        self._writes += 1
        try:
            yield
        finally:
            self._writes -= 1

    def close(self, error: Exception) -> None:
        """Let the label image go; what waits for its number is told why."""
        self.layer.events.data.disconnect(self._on_data)
        self.layer.events.paint.disconnect(self._on_painted)
        self._fail(error)

    @property
    def _quick(self) -> bool:
        data = self.layer.data
        return isinstance(data, np.ndarray) and data.size <= QUICK_PIXELS

    def _is_held(self, number: int, plane: Plane) -> bool:
        """Whether a pixel holds a number: anywhere, or on the plane where that takes long."""
        data = self.layer.data
        if isinstance(data, np.ndarray):
            return holds(data if self._quick else take_plane(data, plane), number)
        height, _ = plane_shape(data.shape, plane.over(data.ndim))
        labels = LabelledPlane(self.layer, plane)
        return any(holds(labels[rows, :], number) for rows in cut_strips((height,), ROWS))

    def search(self) -> None:
        """Find the first number that is free, in a worker where that takes long."""
        if self._quick:
            self._found(self.layer.data, find_largest(self.layer.data))
            return
        self._next, self._searching = None, True
        data = self.layer.data
        run, found = partial(find_largest, data), partial(self._found, data)
        self._lane.submit(Job(run, found, self._fail, replaceable=False))

    def _found(self, data: Any, highest: int) -> None:
        if data is not self.layer.data:  # replaced while it was searched; that search goes on
            return
        self._searching = False
        self._next = highest + 1
        waiting, self._waiting = self._waiting, []
        for do, _ in waiting:
            do()
        self._changed()

    def _fail(self, error: Exception) -> None:
        self._searching = False
        waiting, self._waiting = self._waiting, []
        for _, failed in waiting:
            failed(error)

    def _on_data(self, *_: Any) -> None:
        self.search()

    def _on_painted(self, event: Any) -> None:
        """Keep the next number above what the user paints by hand."""
        if self._next is None or self._writes:
            return
        painted = max((int(np.max(new)) for *_, new in event.value), default=0)
        if painted >= self._next:
            self._next = painted + 1
            self._changed()


def holds(labels: NDArray[np.integer], number: int) -> bool:
    """Whether a pixel holds a number."""
    strips = cut_strips(labels.shape, STRIP_PIXELS)
    return any(bool((labels[strip] == number).any()) for strip in strips)
