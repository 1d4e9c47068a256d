"""Objects that exist, edited with real mouse and keys; each edit is one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from tests.fakes import draw_discs
from tests.plugin.driver import CONTROL, LEFT, NONE, SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.driver import Driver

SHAPE = (100, 120)
TWIN = (30, 30), (30, 45)
Key = Qt.Key


def disc(*centers: tuple[float, float], radius: float = 10) -> Any:
    return draw_discs(SHAPE, centers, radius) > 0


@pytest.fixture
def three(drive: Callable[..., Driver]) -> Driver:
    """A picture with labels that a hand made: 3 and 5 a pixel apart, 8 two discs as one."""
    labels = np.zeros(SHAPE, np.uint16)
    labels[60:80, 20:30], labels[60:80, 31:40] = 3, 5
    labels[disc(*TWIN)] = 8
    d = drive()
    d.viewer.add_labels(labels, name="mine")
    d.session.layers.activate()
    return d


def labels_of(d: Driver) -> Any:
    return d.viewer.layers["mine"].data


def test_join_by_a_drag_and_by_two_clicks(three: Driver) -> None:
    d, before = three, labels_of(three).copy()
    d.press(Key.Key_M)
    assert d.said.startswith("Join") and d.dock.edit_panel.buttons["join"].isChecked()
    d.drag((70, 25), (70, 35), keys=NONE)
    assert (labels_of(d)[60:80, 20:40] == 3).all()  # the seam between them too
    assert d.said.startswith("Objects 3 and 5 as one") and len(d.points.data) == 0
    assert not d.dock.edit_panel.buttons["join"].isChecked()
    d.press(Key.Key_Z, CONTROL)
    np.testing.assert_array_equal(labels_of(d), before)
    assert "3 and 5 as one" in d.said
    QTest.mouseClick(d.dock.edit_panel.buttons["join"], LEFT)
    d.click(70, 35)
    assert "object 5" in d.said
    d.click(70, 35)
    assert "another object" in d.said  # and still waits
    d.click(70, 25)
    assert (labels_of(d)[60:80, 20:40] == 5).all() and len(d.points.data) == 0
    d.press(Key.Key_Z, CONTROL)
    d.press(Key.Key_Z, CONTROL | SHIFT)
    assert (labels_of(d)[60:80, 20:40] == 5).all()


def test_split_by_a_stroke_and_by_two_points(three: Driver) -> None:
    d, before = three, labels_of(three).copy()
    camera = d.viewer.window._qt_viewer.canvas.view.camera.rect.pos
    d.press(Key.Key_X)
    d.drag((15, 37), (45, 37), keys=NONE)
    after = labels_of(d)
    assert np.unique(after).tolist() == [0, 3, 5, 8, 9]
    np.testing.assert_array_equal(after > 0, before > 0)
    assert {int(after[30, 30]), int(after[30, 45])} == {8, 9}
    assert d.viewer.window._qt_viewer.canvas.view.camera.rect.pos == camera
    assert len(d.session.layers.boxes.data) == 0 and d.points.mode == "add"
    d.press(Key.Key_Z, CONTROL)
    np.testing.assert_array_equal(labels_of(d), before)
    d.press(Key.Key_X)
    d.click(30, 28)
    assert len(d.session.layers.boxes.data) == 1  # the first point is seen
    d.click(30, 47)
    after = labels_of(d)
    assert {int(after[30, 30]), int(after[30, 45])} == {8, 9}
    assert len(d.session.layers.boxes.data) == 0 and len(d.points.data) == 0


def test_escape_leaves_a_gesture_and_keeps_the_prompts(three: Driver) -> None:
    d, before = three, labels_of(three).copy()
    d.click(75, 55)
    d.press(Key.Key_X)
    d.click(30, 28)
    d.press(Key.Key_Escape)
    assert len(d.points.data) == 1 and d.gestures_idle and len(d.session.layers.boxes.data) == 0
    d.click(75, 57)
    assert len(d.points.data) == 2
    d.press(Key.Key_X)
    d.drag((90, 100), (95, 110), keys=NONE)
    assert "crosses no labelled object" in d.said and not d.gestures_idle
    d.press(Key.Key_X)
    assert d.gestures_idle
    np.testing.assert_array_equal(labels_of(d), before)


def test_grow_shrink_fill_and_largest_under_the_cursor(three: Driver) -> None:
    d, before = three, labels_of(three).copy()
    d.move(70, 25)
    d.press(Key.Key_Equal)
    grown = labels_of(d)
    assert (grown[60:80, 30] == 3).all() and (grown[60:80, 31:40] == 5).all()
    assert (grown[59, 20:30] == 3).all()
    d.press(Key.Key_Minus)
    d.press(Key.Key_Minus)
    assert np.count_nonzero(labels_of(d) == 3) < np.count_nonzero(before == 3)
    for _ in range(3):
        d.press(Key.Key_Z, CONTROL)
    np.testing.assert_array_equal(labels_of(d), before)
    layer = d.viewer.layers["mine"]
    layer.data[65, 25] = layer.data[79, 29] = 0
    layer.data[78:80, 28:30] = 0
    layer.data[79, 29] = 3
    layer.refresh()
    d.move(70, 25)
    d.press(Key.Key_F)
    assert layer.data[65, 25] == 3 and layer.data[78, 28] == 0
    d.press(Key.Key_F)
    assert "no holes" in d.said
    layer.data[85, 100] = 3
    d.press(Key.Key_F, SHIFT)
    assert layer.data[85, 100] == 0 and layer.data[70, 25] == 3
    d.move(5, 100)
    d.press(Key.Key_Equal)
    assert "no labelled object" in d.said


def test_an_open_object_follows_its_edits(three: Driver) -> None:
    d = three
    d.move(70, 25)
    d.press(Key.Key_E)
    size = d.shown
    d.press(Key.Key_Equal)
    assert d.shown > size and d.session.prompts.corrections
    assert d.shown == np.count_nonzero(labels_of(d) == 3)
    d.press(Key.Key_Z, CONTROL)
    assert d.shown == size == np.count_nonzero(labels_of(d) == 3)


def test_buttons_wait_for_a_click(three: Driver) -> None:
    d, before = three, labels_of(three).copy()
    QTest.mouseClick(d.dock.edit_panel.buttons["smooth"], LEFT)
    assert d.said.startswith("Smooth")
    d.click(70, 25)
    assert labels_of(d)[60, 20] == 0 and d.gestures_idle and len(d.points.data) == 0
    d.press(Key.Key_Z, CONTROL)
    np.testing.assert_array_equal(labels_of(d), before)
