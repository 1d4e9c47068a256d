"""The dock says what is so, and does what it says: by real mouse and key events."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from tests.fakes import draw_discs
from tests.plugin.conftest import CENTERS, RADIUS
from tests.plugin.driver import CONTROL, LEFT, SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.plugin.driver import Driver

A, B, C = CENTERS
SHAPE = (100, 120)


def test_ready_is_said_only_where_a_click_is_answered(
    drive: Callable[..., Driver], qtbot: Any
) -> None:
    d = drive()
    click = d.dock.prompt_panel.click
    layers = d.session.layers

    def is_asleep(word: str) -> bool:
        return word in d.said and d.session.status.kind == "info"

    for key, word in ((Qt.Key.Key_3, "select mode"), (Qt.Key.Key_4, "pan_zoom mode")):
        d.press(key)
        assert is_asleep(word), d.said
        qtbot.mouseClick(click, LEFT)
        assert d.said == "Ready: click on an object."
    d.viewer.layers.selection.active = d.picture
    assert is_asleep("“cells” is selected")
    d.viewer.layers.selection.active = layers.boxes  # opens ready to draw
    assert d.said == "Ready: click on an object."
    d.drag((15, 15), (45, 45), keys=Qt.KeyboardModifier.NoModifier)
    assert d.shown and "N accepts" in d.said
    layers.points.visible = False
    d.viewer.layers.selection.active = layers.points
    assert is_asleep("hidden")
    d.viewer.layers.remove(layers.points)
    assert is_asleep("was removed")
    qtbot.mouseClick(click, LEFT)
    d.settle()
    assert len(d.session.layers.boxes.data) == 1 and "N accepts" in d.said
    d.press(Qt.Key.Key_N)
    assert d.ids == [1]


def test_layers_that_are_opened_later(drive: Callable[..., Driver], qtbot: Any) -> None:
    d = drive()
    ours = list(d.session.layers.all)
    d.viewer.add_labels(np.zeros(SHAPE, np.uint16), name="mine")
    assert list(d.viewer.layers)[-3:] == ours
    assert "“mine” is selected" in d.said and d.session.status.kind == "info"
    qtbot.mouseClick(d.dock.prompt_panel.click, LEFT)
    d.click(*A)
    other = d.viewer.add_image(draw_discs(SHAPE, [C], RADIUS), name="other")
    assert list(d.viewer.layers)[-3:] == ours
    assert d.session.picture.main is d.picture
    assert "“cells” is still asked, not “other”" in d.said
    qtbot.mouseClick(d.dock.prompt_panel.click, LEFT)
    d.press(Qt.Key.Key_N)
    assert d.ids == [1]
    d.viewer.layers.selection.active = other
    d.settle()
    assert d.session.picture.main is other and d.session.status.kind == "ready"
    d.click(*C)
    assert d.shown == np.count_nonzero(draw_discs(SHAPE, [C], RADIUS))
    d.press(Qt.Key.Key_Escape)
    d.viewer.add_image(np.zeros((2, *SHAPE), np.uint8), channel_axis=0, name="more")
    d.settle()
    assert list(d.viewer.layers)[-3:] == list(d.session.layers.all)


def test_crumbs_replacing_and_deleting(drive: Callable[..., Driver]) -> None:
    stack = np.stack([draw_discs(SHAPE, CENTERS, RADIUS)] * 3)
    d = drive(stack)
    plane = int(d.viewer.dims.current_step[0])
    mine = np.zeros(stack.shape, np.uint16)
    mine[:] = np.where(draw_discs(SHAPE, [A], RADIUS - 1), 7, 0)
    layer = d.viewer.add_labels(mine.copy(), name="mine")
    d.commits.labels.choose(layer)
    d.session.layers.activate()
    d.click(plane, *A)
    assert "labelled already as object 7" in d.said
    d.press(Qt.Key.Key_N)
    np.testing.assert_array_equal(layer.data, mine)
    d.press(Qt.Key.Key_N, SHIFT)
    np.testing.assert_array_equal(layer.data[plane] == 7, draw_discs(SHAPE, [A], RADIUS) > 0)
    d.move(plane, *A)
    d.press(Qt.Key.Key_K)
    assert not layer.data[plane].any() and "Shift+K" in d.said
    d.press(Qt.Key.Key_Z, CONTROL)
    d.move(plane, *A)
    d.press(Qt.Key.Key_K, SHIFT)
    assert not layer.data.any() and "on all planes" in d.said
    d.press(Qt.Key.Key_Z, CONTROL)
    d.press(Qt.Key.Key_Z, CONTROL)
    np.testing.assert_array_equal(layer.data, mine)
    assert d.points.data.shape == (1, 3)  # open again, as before Shift+N


def test_correcting_an_object_of_another_tool(drive: Callable[..., Driver]) -> None:
    d = drive()
    mine = np.where(draw_discs(SHAPE, [A], RADIUS - 3), 7, 0).astype(np.uint16)
    layer = d.viewer.add_labels(mine.copy(), name="stardist")
    d.session.layers.activate()
    d.move(*A)
    d.press(Qt.Key.Key_E)
    assert d.shown == np.count_nonzero(mine) and d.commits.labels.layer is layer
    d.click(A[0] + 8, A[1])  # what was missing
    d.press(Qt.Key.Key_N)
    np.testing.assert_array_equal(layer.data == 7, draw_discs(SHAPE, [A], RADIUS) > 0)
    d.press(Qt.Key.Key_Z, CONTROL)
    np.testing.assert_array_equal(layer.data, mine)


def test_what_was_accepted_and_cannot_be_written_is_said_when_the_dock_closes(
    drive: Callable[..., Driver], monkeypatch: Any
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_sam_onnx.plugin.dock.show_warning", said.append)
    d = drive()
    go_on, decode = Event(), d.models["pebble"].decode

    def decode_late(embedding: Any, prompts: Any) -> Any:
        assert go_on.wait(60)
        return decode(embedding, prompts)

    d.models["pebble"].decode = decode_late
    d.points.add(np.array(A, float))
    d.canvas.setFocus()
    QTest.keyClick(d.canvas, Qt.Key.Key_N)
    assert d.commits.painter.pending == 1 and not len(d.points.data)
    d.viewer.window.remove_dock_widget(d.dock)
    go_on.set()
    QTest.qWait(200)
    assert len(said) == 1 and said[0].startswith("1 accepted object had no answer yet")
    assert [layer.name for layer in d.viewer.layers] == ["cells"]
    d.dock.deleteLater()
    d.close = lambda: None
