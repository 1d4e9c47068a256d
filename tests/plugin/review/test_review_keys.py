"""U and J with real keys, and clicks on the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam_onnx.plugin.review import Place
from tests.fakes import draw_discs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.driver import Driver

STACK = np.stack([draw_discs((60, 80), [(30, 40)], 8)] * 6)


def test_keys_and_list(drive: Callable[..., Driver]) -> None:
    d = drive(STACK)
    layer = d.viewer.add_labels(np.zeros(STACK.shape, np.uint32))
    d.session.layers.activate()
    panel, queue = d.dock.review_panel, d.dock.reviewer.queue
    plane = d.session.plane
    assert not panel.isVisible() and panel.count.text() == "Nothing to review yet."
    places = [
        Place(layer, type(plane)((1, 2), (z, 0, 0)), (30.0, 40.0), z, f"Odd in {z}.", z / 10)
        for z in (1, 4, 5)
    ]
    queue.fill("stack", places)
    assert panel.isVisible()  # it unfolds with the first thing to review
    assert [panel.list.item(row).text() for row in range(3)] == [
        "Odd in 5.",
        "Odd in 4.",
        "Odd in 1.",
    ]
    d.press(Qt.Key.Key_J)
    assert d.session.plane.position[0] == 5 and panel.list.currentRow() == 0
    d.press(Qt.Key.Key_J)
    assert d.session.plane.position[0] == 4 and layer.selected_label == 4
    d.press(Qt.Key.Key_U)
    assert d.session.plane.position[0] == 5
    spot = panel.list.visualItemRect(panel.list.item(2)).center()
    QTest.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert d.session.plane.position[0] == 1 and panel.count.text() == "3 places, 0 not seen yet"
    QTest.mouseClick(panel.next, Qt.MouseButton.LeftButton)
    assert "last place" in d.said
