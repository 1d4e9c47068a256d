"""Clicks on a picture that is selected, or on one of its channels, by real mouse events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt

from tests.fakes import draw_discs
from tests.plugin.conftest import CENTERS, RADIUS
from tests.plugin.driver import NONE, RIGHT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.driver import Driver

A, B, C = CENTERS
SHAPE = (100, 120)


def test_a_click_is_answered_after_channels_were_opened_one_by_one(
    drive: Callable[..., Driver],
) -> None:
    d = drive()
    d.viewer.layers.remove(d.picture)
    d.settle()
    discs = draw_discs(SHAPE, CENTERS, RADIUS)
    first, second = d.viewer.add_image(np.stack([discs, discs[::-1]]), channel_axis=0)
    d.picture = first
    d.until(lambda: d.session.status.kind == "ready")
    assert d.session.layers.active and d.said == "Ready: click on an object."
    d.viewer.reset_view()
    d.click(*A)
    assert d.shown and "N accepts" in d.said
    d.press(Qt.Key.Key_N)
    assert d.ids == [1]
    # a channel that is selected by hand stays so until the picture is clicked
    d.viewer.layers.selection.active = second
    assert f"“{second.name}” is selected" in d.said and "click on it" in d.said
    d.click(*B)
    assert d.session.layers.active and d.shown
    d.press(Qt.Key.Key_N)
    assert d.ids == [1, 2]


def test_clicks_on_the_selected_picture_are_prompts_and_drags_move_it(
    drive: Callable[..., Driver],
) -> None:
    d = drive()
    d.viewer.layers.selection.active = d.picture
    before = d.pixel(0, 0)
    d.drag((50, 60), (50, 80), keys=NONE)
    assert d.pixel(0, 0) != before and not d.session.layers.active
    assert not len(d.session.layers.points.data)
    d.click(*A, button=RIGHT)
    assert d.session.layers.points.features["positive"].tolist() == [False]
    assert d.session.layers.active
    d.click(*C)
    assert d.shown


def test_clicks_on_other_layers_are_theirs(drive: Callable[..., Driver]) -> None:
    d = drive()
    other = d.viewer.add_image(draw_discs(SHAPE, [C], RADIUS), name="other", visible=False)
    d.viewer.layers.selection.active = other
    d.click(*C)
    assert not len(d.session.layers.points.data) and "“other” is selected" in d.said
    d.viewer.layers.selection.active = d.picture
    d.picture.mode = "transform"
    d.click(*A)
    assert not len(d.session.layers.points.data)
    d.picture.mode = "pan_zoom"
    d.dock.waker.close()
    d.click(*A)
    assert not len(d.session.layers.points.data)


def test_a_click_on_the_selected_picture_goes_to_what_is_asked_for(
    drive: Callable[..., Driver],
) -> None:
    d = drive()
    d.click(*A)
    d.press(Qt.Key.Key_N)
    d.dock.teaching.ask("like")
    d.viewer.layers.selection.active = d.picture
    d.click(*A)
    assert d.dock.teaching.count(True) == 1 and not len(d.session.layers.points.data)


def test_the_list_marks_no_picture_while_clicks_go_to_the_prompts(
    drive: Callable[..., Driver],
) -> None:
    d = drive()
    rows = d.viewer.window._qt_viewer.layers.selectionModel()
    other = d.viewer.add_image(draw_discs((80, 90), [(40, 40)], RADIUS), name="other")
    d.until(lambda: d.session.picture.main is other)
    d.until(lambda: [row.data() for row in rows.selectedIndexes()] == ["SAM points"])
    d.settle()
