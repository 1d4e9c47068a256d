"""Sends real mouse and key events to a napari canvas with our dock beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam_onnx.plugin.dock import SamDock
from napari_sam_onnx.plugin.session.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
CONTROL = Qt.KeyboardModifier.ControlModifier


class Driver:
    """A viewer, the dock, and hands."""

    def __init__(self, viewer: Any, qtbot: Any, model: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.models = {"pebble": model}
        viewer.window._qt_window.resize(1000, 700)
        self.dock = SamDock(viewer, Engine(self.models.__getitem__))
        viewer.window.add_dock_widget(self.dock, name="SAM")
        self.session, self.commits = self.dock.session, self.dock.commits
        self.picture: Any = None

    def open(self, data: Any, **options: Any) -> None:
        self.picture = self.viewer.add_image(data, **options)
        self.until(lambda: self.session.status.kind == "ready")
        size = None  # of the canvas, which changes while the dock finds its width
        while size != self.canvas.size():
            size = self.canvas.size()
            QTest.qWait(20)

    def close(self) -> None:
        # software OpenGL may fail where a points layer goes in the turn of its last point
        QTest.qWait(20)
        self.viewer.window.remove_dock_widget(self.dock)
        self.dock.deleteLater()

    def until(self, holds: Callable[[], bool], timeout: int = 20_000) -> None:
        self.qtbot.waitUntil(holds, timeout=timeout)

    def settle(self) -> None:
        """Wait until everything that was asked is answered."""
        QTest.qWait(20)
        self.until(lambda: not self.session.lane.busy)

    # Hands

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas.native

    def pixel(self, *at: float) -> QPoint:
        """Where a data coordinate of the picture lies on the canvas."""
        world = np.array(self.picture.data_to_world(at))
        canvas = self.viewer.window._qt_viewer.canvas
        row, column = (world[axis] for axis in self.viewer.dims.displayed)
        x, y = (canvas.view.transform * canvas.view.scene.transform).map([column, row])[:2]
        return QPoint(round(x), round(y))

    def move(self, *at: float) -> QPoint:
        spot = self.pixel(*at)
        self._send(QEvent.Type.MouseMove, spot, Qt.MouseButton.NoButton, NONE)
        QTest.qWait(20)  # napari looks at moves every 5 ms
        return spot

    def click(self, *at: float, button: Any = LEFT, keys: Any = NONE) -> None:
        spot = self.move(*at)
        QTest.mouseClick(self.canvas, button, keys, spot)
        self.settle()

    def drag(self, start: tuple[float, ...], stop: tuple[float, ...], keys: Any = SHIFT) -> None:
        first, last = self.move(*start), self.pixel(*stop)
        QTest.mousePress(self.canvas, LEFT, keys, first)
        for part in np.linspace(0, 1, 5)[1:]:
            way = QPointF(last - first) * float(part)
            self._send(QEvent.Type.MouseMove, first + way.toPoint(), LEFT, keys)
            QTest.qWait(15)
        QTest.mouseRelease(self.canvas, LEFT, keys, last)
        self.settle()

    def press(self, key: Any, keys: Any = NONE) -> None:
        self.canvas.setFocus()
        QTest.keyClick(self.canvas, key, keys)
        self.settle()

    def _send(self, kind: Any, spot: QPoint, held: Any, keys: Any) -> None:
        where = QPointF(spot)
        event = QMouseEvent(
            kind, where, self.canvas.mapToGlobal(where), Qt.MouseButton.NoButton, held, keys
        )
        QApplication.sendEvent(self.canvas, event)

    # What there is to see

    @property
    def labels(self) -> Any:
        return self.commits.labels.layer.data

    @property
    def ids(self) -> list[int]:
        if self.commits.labels.layer is None:
            return []
        return [int(i) for i in np.unique(self.labels) if i]

    @property
    def said(self) -> str:
        return str(self.dock.status.toolTip())

    @property
    def shown(self) -> int:
        layer = self.session.layers.preview.layer
        return int(np.count_nonzero(layer.data)) if layer.visible else 0

    @property
    def gestures_idle(self) -> bool:
        return self.dock.gestures.current is None and self.points.mode == "add"

    @property
    def points(self) -> Any:
        return self.session.layers.points
