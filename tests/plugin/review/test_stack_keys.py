"""Corrections of whole objects with real keys and buttons, under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from tests.plugin.driver import CONTROL, SHIFT
from tests.plugin.review.test_stack_edits import draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.driver import Driver

LEFT = Qt.MouseButton.LeftButton


def test_keys_and_buttons(drive: Callable[..., Driver]) -> None:
    d = drive((draw() > 0).astype(np.uint8) * 255, axis_labels=("t", "y", "x"))
    layer = d.viewer.add_labels(draw())
    d.commits.labels.choose(layer)
    d.session.layers.activate()
    panel = d.dock.stack_panel

    def settle() -> None:
        d.until(lambda: not d.dock.edits.lane.busy)

    def press(key: Any, *at: float, modifiers: Any = SHIFT) -> None:
        d.viewer.dims.set_current_step(0, int(at[0]))
        d.move(*at)
        d.press(key, modifiers)
        settle()

    def planes_of(label: int) -> list[int]:
        return np.flatnonzero((layer.data == label).any(axis=(1, 2))).tolist()

    press(Qt.Key.Key_X, 2, 4, 4)
    assert planes_of(1) == [0, 1] and planes_of(3) == [2, 3, 4, 5]
    press(Qt.Key.Key_M, 0, 4, 4)
    assert panel.buttons["join"].text() == "… with this" and panel.label.value() == 1
    press(Qt.Key.Key_M, 4, 12, 12)
    assert planes_of(2) == [] and planes_of(1) == [0, 1, 3, 4, 5]
    d.press(Qt.Key.Key_Z, CONTROL)
    d.press(Qt.Key.Key_Z, CONTROL)
    np.testing.assert_array_equal(layer.data, draw())

    press(Qt.Key.Key_Right, 3, 4, 4)
    assert planes_of(1) == [0, 1, 2, 3]
    press(Qt.Key.Key_Left, 3, 4, 4)
    assert planes_of(1) == [3]
    press(Qt.Key.Key_D, 3, 4, 4)
    d.press(Qt.Key.Key_Escape)
    assert not d.dock.edits.waiting
    panel.label.setValue(2)
    assert layer.selected_label == 2
    header = next(s for s in d.dock.sections if s.body is panel).header
    header.setChecked(True)
    for name, gone in (("find", False), ("delete", True)):
        QTest.mouseClick(panel.buttons[name], LEFT)
        settle()
        assert (planes_of(2) == []) is gone
    assert "1 doubtful place" not in d.said and "Deleted object 2" in d.said


def test_what_waits_does_not_outlive_another_action(drive: Callable[..., Driver]) -> None:
    d = drive((draw() > 0).astype(np.uint8) * 255, axis_labels=("t", "y", "x"))
    layer = d.viewer.add_labels(draw())
    d.commits.labels.choose(layer)
    d.session.layers.activate()
    d.viewer.dims.set_current_step(0, 0)
    d.move(0, 4, 4)
    d.press(Qt.Key.Key_M, SHIFT)
    assert d.dock.edits.waiting == "join"
    d.click(0, 12, 4)  # a point: somebody prompts
    assert not d.dock.edits.waiting and len(d.points.data) == 1
    d.press(Qt.Key.Key_Escape)
    d.move(0, 4, 4)
    d.press(Qt.Key.Key_M, SHIFT)
    d.press(Qt.Key.Key_X)  # another thing to click for
    assert not d.dock.edits.waiting and d.dock.gestures.current.name == "split"
    d.move(0, 4, 4)
    d.press(Qt.Key.Key_M, SHIFT)
    assert d.dock.edits.waiting == "join" and d.gestures_idle
    np.testing.assert_array_equal(layer.data, draw())
