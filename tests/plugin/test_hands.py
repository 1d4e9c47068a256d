"""Keys and wheel with real events: they go where the user means them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QEnterEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QApplication, QComboBox

from tests.plugin.conftest import CENTERS
from tests.plugin.driver import CONTROL, LEFT, NONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.driver import Driver

A, B, C = CENTERS


def focus(widget: Any) -> None:
    """Give a widget the focus as a click does, without its popup."""
    widget.window().activateWindow()
    widget.setFocus(Qt.FocusReason.MouseFocusReason)
    QApplication.processEvents()
    assert QApplication.focusWidget() is widget


def type_key(key: Any, keys: Any = NONE) -> None:
    """Press a key where the focus is, as a keyboard does."""
    QTest.keyClick(QApplication.focusWidget(), key, keys)


def enter(widget: Any) -> None:
    """Move the pointer onto a widget."""
    spot = QPointF(5, 5)
    QApplication.sendEvent(widget, QEnterEvent(spot, spot, QPointF(widget.mapToGlobal(spot))))


def turn_wheel(widget: Any) -> bool:
    """Turn the wheel over a widget; whether it took that."""
    spot = QPointF(widget.rect().center())
    event = QWheelEvent(
        spot,
        QPointF(widget.mapToGlobal(spot)),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        NONE,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
    return bool(event.isAccepted())


@pytest.mark.parametrize("where", ["target", "label", "click"])
def test_keys_pressed_after_touching_the_dock_are_the_canvas_s(
    drive: Callable[..., Driver], where: str
) -> None:
    d = drive()
    widget = getattr(d.dock.prompt_panel, where)
    for number, at in enumerate((A, B), 1):
        d.click(*at)
        focus(widget)
        type_key((Qt.Key.Key_N, Qt.Key.Key_Return)[number - 1])
        d.settle()
        assert d.ids == list(range(1, number + 1))
        assert QApplication.focusWidget() is d.canvas
    assert d.commits.labels.layer.name == "cells labels"
    d.click(*C)
    focus(widget)
    type_key(Qt.Key.Key_W)
    d.settle()
    assert d.session.answer.chosen == 1
    focus(widget)
    QTest.keyPress(QApplication.focusWidget(), Qt.Key.Key_H)
    assert d.shown == 0
    QTest.keyRelease(QApplication.focusWidget(), Qt.Key.Key_H)
    assert d.shown > 0
    focus(widget)
    type_key(Qt.Key.Key_Escape)
    assert d.shown == 0
    focus(widget)
    type_key(Qt.Key.Key_Z, CONTROL)
    assert d.shown > 0


def test_a_number_that_is_typed_is_taken_before_enter_accepts(drive: Callable[..., Driver]) -> None:
    d = drive()
    d.click(*A)
    spin = d.dock.prompt_panel.label
    focus(spin)
    spin.selectAll()
    QTest.keyClicks(spin, "41")
    type_key(Qt.Key.Key_Return)
    assert d.ids == [] and d.commits.labels.next_label == 41
    type_key(Qt.Key.Key_Return)
    d.settle()
    assert d.ids == [41]


def test_the_pointer_takes_the_keys_to_the_canvas(drive: Callable[..., Driver]) -> None:
    d = drive()
    d.click(*A)
    focus(d.dock.prompt_panel.target)
    enter(d.canvas)
    assert QApplication.focusWidget() is d.canvas
    type_key(Qt.Key.Key_N)
    d.settle()
    assert d.ids == [1]
    d.dock.find_panel.models.addItem("A detector", "detector")
    d.dock.find_panel.refresh()
    for section in d.dock.sections:
        section.header.setChecked(True)
    focus(d.dock.find_panel.words)  # whoever types a word goes on typing
    enter(d.canvas)
    QTest.keyClicks(QApplication.focusWidget(), "nw")
    assert d.dock.find_panel.words.text() == "nw" and d.ids == [1]


def test_the_pointer_takes_the_keys_from_napari_s_own_forms(drive: Callable[..., Driver]) -> None:
    d = drive()
    d.click(*A)
    controls = d.viewer.window._qt_viewer.dockLayerControls
    sliders = [w for w in controls.findChildren(QAbstractSlider) if w.isVisible() and w.isEnabled()]
    focus(sliders[0])
    enter(d.canvas)
    assert QApplication.focusWidget() is d.canvas
    d.viewer.layers.selection.active = d.picture  # then the keys are that layer's
    sliders = [w for w in controls.findChildren(QAbstractSlider) if w.isVisible() and w.isEnabled()]
    focus(sliders[0])
    enter(d.canvas)
    assert QApplication.focusWidget() is sliders[0]


def test_the_wheel_scrolls_and_changes_no_value(drive: Callable[..., Driver], qtbot: Any) -> None:
    d = drive()
    for section in d.dock.sections:
        section.header.setChecked(True)
    d.dock.automatic_panel.mode.setCurrentIndex(2)
    d.dock.automatic_panel.mode.activated.emit(2)
    d.click(*A)
    d.press(Qt.Key.Key_N)
    kinds = d.dock.findChildren(QComboBox) + d.dock.findChildren(QAbstractSpinBox)
    seen = [widget for widget in kinds if widget.isVisible() and widget.isEnabled()]
    assert len(seen) > 8
    for widget in seen:
        for focused in (False, True):
            if focused:
                focus(widget)
            before = _value(widget)
            assert not turn_wheel(widget)  # Qt hands it on to what scrolls
            assert _value(widget) == before


def _value(widget: Any) -> Any:
    return widget.currentIndex() if isinstance(widget, QComboBox) else widget.value()


def test_the_dock_lets_go_of_the_canvas(drive: Callable[..., Driver], qtbot: Any) -> None:
    d = drive()
    focus(d.dock.prompt_panel.target)
    d.dock.shut()
    enter(d.canvas)
    assert QApplication.focusWidget() is d.dock.prompt_panel.target
    QTest.mouseClick(d.canvas, LEFT)
    d.canvas.event(QEvent(QEvent.Type.None_))
