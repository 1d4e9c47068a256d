"""What the model sees, as a small picture; and what of a stack it sees at once.

The picture is made away from the interface, and only while somebody looks at it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.masks.regions import Region
from napari_sam_onnx.plugin.picture.plane import plane_shape
from napari_sam_onnx.plugin.session.lanes import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.picture.reader import Reader
    from napari_sam_onnx.plugin.session.lanes import Lane
    from napari_sam_onnx.plugin.session.session import Session

SIDE = 288
"""Pixels of the longer side of the small picture, at most."""

LARGEST = 2048
"""Of a longer plane, so many pixels around what the viewer shows are seen."""


class Sight:
    """The small picture.

    Parameters
    ----------
    session : Session
    lane : Lane
        Where it is made: one of its own.
    calm : callable
        See `napari_sam_onnx.plugin.session.session.Session`.

    Attributes
    ----------
    changed : Signal
        `shown` is another.
    shown : (h, w, 3) uint8 or None
        What the model sees, small.
    """

    changed = Signal()

    def __init__(
        self,
        session: Session,
        lane: Lane,
        calm: Callable[[Callable[[], None]], Callable[[], None]] = lambda do: do,
    ) -> None:
        self.session, self._lane = session, lane
        self.shown: NDArray[np.uint8] | None = None
        self._on = self._closed = False
        self._look_calmly = calm(self._look)
        session.picture_changed.connect(self._look_calmly)

    @property
    def on(self) -> bool:
        """Whether somebody looks."""
        return self._on

    @on.setter
    def on(self, on: bool) -> None:
        self._on = on
        self._look()

    def close(self) -> None:
        """Make no picture any more."""
        self._closed = True
        self._lane.close()

    def _look(self) -> None:
        session = self.session
        if not self._on or self._closed:
            return
        reader, plane = session.reader, session.plane
        if reader is None or plane is None:
            self._take(None)
            return
        # napari before 0.9 has the camera itself
        camera: Any = getattr(session.viewer, "scene", session.viewer).camera
        center = camera.center[-2:]
        region = choose_region(plane_shape(reader.shape, plane), session.to_plane_2d(center))

        def look(reader: Reader = reader, plane: Plane = plane) -> Any:
            return reader.read(plane, region)

        self._lane.submit(Job(look, self._take, lambda _: self._take(None)))

    def _take(self, shown: NDArray[np.uint8] | None) -> None:
        if not self._closed:
            self.shown = shown
            self.changed.emit()


def choose_region(shape: tuple[int, int], center: tuple[float, float] | None) -> Region:
    """Choose which part of a plane is seen: all, or a square around a place of a large one."""
    rows, columns = (min(side, LARGEST) for side in shape)
    y, x = (side / 2 for side in shape) if center is None else center
    top = int(np.clip(y - rows / 2, 0, shape[0] - rows))
    left = int(np.clip(x - columns / 2, 0, shape[1] - columns))
    scale = min(1.0, SIDE / max(rows, columns))
    return Region((top, left, top + rows, left + columns), scale)
