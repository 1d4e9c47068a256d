"""What a stack is, and what is made of it, by real clicks in the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt

from tests.fakes import draw_discs

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QComboBox

    from tests.plugin.driver import Driver

LEFT = Qt.MouseButton.LeftButton
STACK = np.stack([draw_discs((60, 80), [(20 + z, 20), (40, 55)], 8) for z in range(5)])


def choose(combo: QComboBox, data: Any) -> None:
    combo.setCurrentIndex(combo.findData(data))
    assert combo.currentIndex() >= 0
    combo.activated.emit(combo.currentIndex())


def offered(combo: QComboBox) -> list[Any]:
    return [combo.itemData(i) for i in range(combo.count())]


def run(d: Driver, qtbot: Any) -> Any:
    qtbot.mouseClick(d.dock.automatic_panel.run, LEFT)
    d.until(lambda: not d.dock.automatic.work.busy)
    return d.commits.labels.layer


def test_depth_is_a_volume_and_time_has_tracks(drive: Callable[..., Driver], qtbot: Any) -> None:
    d = drive(STACK, scale=(2, 1, 1))
    panel, form, axes = (
        d.dock.automatic_panel,
        d.dock.automatic_panel.stack,
        d.dock.image_panel.axes,
    )
    assert axes.rows[0].currentText() == "Depth (z): 5 planes" and not form.isVisible()
    choose(panel.scope, True)
    assert offered(form.method) == ["volume", "planes"] and form.chosen == "volume"
    assert form.distance.isVisible() and form.distance.value() == 2
    assert panel.mode.isVisible() and not form.link.isVisible()  # this model sees planes alone
    volume = run(d, qtbot)
    assert volume.name == "cells volume" and np.unique(volume.data).tolist() == [0, 1, 2]

    choose(axes.rows[0], "T")
    assert axes.rows[0].currentText() == "Time (t): 5 frames"
    assert offered(form.method) == ["tracks", "planes"] and form.chosen == "tracks"
    assert panel.mode.isVisible() and not form.distance.isVisible()
    tracks = run(d, qtbot)
    assert tracks.name == "cells tracks" and "cells tracks paths" in d.viewer.layers
    assert "2 tracks" in d.said
    choose(form.objects, volume)
    assert not panel.mode.isVisible()
    assert run(d, qtbot) is not tracks and "2 tracks" in d.said

    choose(axes.rows[0], "")
    assert offered(form.method) == ["planes"] and form.link.isVisible()
    choose(axes.rows[0], "C")
    assert not form.isVisible() and not axes.isVisible()
    d.viewer.layers.remove(d.picture)
    assert not form.isVisible()


def test_settings_reach_the_run(drive: Callable[..., Driver]) -> None:
    d = drive(STACK, axis_labels=("t", "y", "x"))
    form = d.dock.automatic_panel.stack
    form.settings.fields["max_gap"].value = 7
    form.settings.fields["min_frames"].value = 1
    request = form.make_run("objects", {"min_area": 3}).request
    assert (request.tracks.max_gap, request.tracks.min_frames) == (7, 1)
    assert (request.mode, request.settings) == ("objects", {"min_area": 3})
    choose(d.dock.image_panel.axes.rows[0], "Z")
    form.distance.setValue(3.5)
    form.settings.fields["gap"].value = 3
    request = form.make_run("objects", {"min_area": 3}).request
    assert (request.method, request.thickness, request.stitch.gap) == ("volume", 3.5, 3)
    assert (request.mode, request.settings) == ("objects", {"min_area": 3})
    d.models["pebble"].gives_maps = True  # one that sees volumes by itself
    form.refresh()
    form.settings.fields["cut"].value = 0.5
    request = form.make_run("objects", {"min_area": 3}).request
    assert (request.mode, request.settings, request.volume.cut) == (None, {}, 0.5)


def test_results_are_seen_in_3d(drive: Callable[..., Driver], qtbot: Any) -> None:
    d = drive(STACK, axis_labels=("t", "y", "x"))
    choose(d.dock.automatic_panel.scope, True)
    made = run(d, qtbot)
    d.viewer.dims.ndisplay = 3
    assert made.visible and d.session.plane is None
    view = d.viewer.screenshot(canvas_only=True, flash=False)
    empty = view.reshape(-1, view.shape[-1])[0]
    assert (view != empty).any(axis=-1).mean() > 0.01
    d.viewer.dims.ndisplay = 2
    assert d.session.plane is not None


def test_stop_planes_are_those_of_the_stack(drive: Callable[..., Driver]) -> None:
    d = drive(np.zeros((6, 40, 50), np.uint8), axis_labels=("t", "y", "x"))
    panel, carried = d.dock.stack_panel, d.dock.propagation
    assert (panel.first.text(), panel.last.text()) == ("first", "last")
    assert carried.span == (0, None)
    panel.first.setValue(2)
    panel.last.setValue(9)  # there are but six
    assert carried.span == (2, 5)
    d.viewer.layers.clear()
    d.viewer.add_image(np.zeros((3, 40, 50), np.uint8))
    d.settle()
    assert carried.span == (0, None) and panel.last.maximum() == 2
