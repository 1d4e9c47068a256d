"""The dock with real mouse and key events on the canvas: what a user does, and the labels."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam_onnx.plugin.dock import SamDock
from napari_sam_onnx.plugin.session.engine import Engine
from tests.fakes import ComponentModel, draw_discs
from tests.plugin.conftest import CENTERS, RADIUS
from tests.plugin.driver import CONTROL, LEFT, RIGHT, SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.driver import Driver

A, B, C = CENTERS
DISC = int(np.count_nonzero(draw_discs((100, 120), [A], RADIUS)))


def disc(center: tuple[float, float]) -> Any:
    return draw_discs((100, 120), [center], RADIUS) > 0


def test_click_accept_undo_redo(drive: Callable[..., Driver]) -> None:
    d = drive()
    d.click(*A)
    assert d.shown == DISC
    assert d.points.symbol[0] == "disc" and not d.points.selected_data
    d.press(Qt.Key.Key_N)
    assert d.ids == [1]
    np.testing.assert_array_equal(d.labels == 1, disc(A))
    assert d.shown == 0 and len(d.points.data) == 0

    d.click(*B)
    d.press(Qt.Key.Key_Return)
    assert d.ids == [1, 2]
    d.press(Qt.Key.Key_Z, CONTROL)  # the object; its prompt is open again
    assert d.ids == [1] and d.shown == DISC
    d.press(Qt.Key.Key_Z, CONTROL)  # the prompt
    assert len(d.points.data) == 0 and d.shown == 0
    d.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    d.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert d.ids == [1, 2]
    np.testing.assert_array_equal(d.labels == 2, disc(B))

    d.click(*C)
    d.press(Qt.Key.Key_Escape)
    assert d.ids == [1, 2] and d.shown == 0 and len(d.points.data) == 0
    assert d.session.layers.active  # the keys are still awake


def test_background_clicks_and_boxes(drive: Callable[..., Driver]) -> None:
    joined = draw_discs((100, 120), [A, B], RADIUS)
    d = drive(joined, model=_BothModel())
    camera = d.viewer.window._qt_viewer.canvas.view.camera.rect.pos
    d.click(*A)
    assert d.shown == 2 * DISC
    d.click(*B, button=RIGHT)
    assert d.points.features["positive"].tolist() == [True, False]
    assert [str(s) for s in d.points.symbol] == ["disc", "cross"]
    assert d.shown == DISC
    d.press(Qt.Key.Key_Escape)
    d.click(*A)
    d.click(*B, keys=SHIFT)
    assert d.points.features["positive"].tolist() == [True, False]
    d.press(Qt.Key.Key_N)
    np.testing.assert_array_equal(d.labels == 1, disc(A))

    d.drag((B[0] - 14, B[1] - 14), (B[0] + 14, B[1] + 14))
    assert d.viewer.window._qt_viewer.canvas.view.camera.rect.pos == camera
    assert len(d.points.data) == 0
    (box,) = d.session.layers.boxes.data
    np.testing.assert_allclose(box.min(axis=0), (B[0] - 14, B[1] - 14), atol=1)
    np.testing.assert_allclose(box.max(axis=0), (B[0] + 14, B[1] + 14), atol=1)
    d.press(Qt.Key.Key_N)
    np.testing.assert_array_equal(d.labels == 2, disc(B))
    assert len(d.session.layers.boxes.data) == 0
    d.press(Qt.Key.Key_Z, CONTROL)
    d.press(Qt.Key.Key_Z, CONTROL)
    assert len(d.session.layers.boxes.data) == 0 and d.ids == [1]


class _BothModel(ComponentModel):
    """Answers a click with everything bright."""

    def __init__(self) -> None:
        super().__init__(scores=(0.5, 0.6, 0.9))

    def decode(self, embedding: Any, prompts: Any) -> Any:
        answer = super().decode(embedding, prompts)
        if prompts[0].box is not None:
            answer.best[:] = 0
        return answer


def test_candidates_turbo_hide_delete(drive: Callable[..., Driver], qtbot: Any) -> None:
    d = drive()
    d.click(*A)
    d.press(Qt.Key.Key_W)
    assert d.shown > DISC
    assert "Candidate 2 of 3" in d.dock.prompt_panel.candidate.text()
    d.press(Qt.Key.Key_W)
    assert d.shown == 3 * DISC
    d.press(Qt.Key.Key_W)
    assert d.shown == DISC
    QTest.keyPress(d.canvas, Qt.Key.Key_H)
    assert d.shown == 0
    QTest.keyRelease(d.canvas, Qt.Key.Key_H)
    assert d.shown == DISC
    d.press(Qt.Key.Key_Escape)

    d.press(Qt.Key.Key_Q)
    assert d.dock.prompt_panel.turbo.isChecked()
    for at in CENTERS:
        d.click(*at)
    assert d.ids == [1, 2, 3] and len(d.points.data) == 0
    d.press(Qt.Key.Key_Q)
    d.move(*B)
    d.press(Qt.Key.Key_K)
    assert d.ids == [1, 3]
    d.press(Qt.Key.Key_Z, CONTROL)
    assert d.ids == [1, 2, 3]
    d.move(3, 3)
    d.press(Qt.Key.Key_K)
    assert d.ids == [1, 2, 3] and "no labelled object" in d.said


def test_planes_keep_their_prompts(drive: Callable[..., Driver]) -> None:
    stack = np.stack([draw_discs((60, 60), [(20 + 5 * z, 30)], 8) for z in range(4)])
    turn = np.deg2rad(20)
    rotate = np.eye(3)
    rotate[1:, 1:] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    d = drive(stack, scale=(3, 0.5, 0.5), translate=(10, 4, 5), rotate=rotate)
    d.viewer.dims.set_current_step(0, 1)
    d.settle()
    d.click(1, 25, 30)
    assert d.shown == np.count_nonzero(stack[1])
    np.testing.assert_allclose(d.points.data[0], (1, 25, 30), atol=0.6)
    d.viewer.dims.set_current_step(0, 3)
    d.settle()
    assert d.shown == 0
    d.click(3, 35, 30)
    d.press(Qt.Key.Key_N)
    np.testing.assert_array_equal(d.labels == 1, stack * (np.arange(4) == 3)[:, None, None] > 0)
    assert len(d.points.data) == 1  # the one of the other plane waits
    d.viewer.dims.set_current_step(0, 1)
    d.settle()
    assert d.shown == np.count_nonzero(stack[1])
    d.press(Qt.Key.Key_N)
    np.testing.assert_array_equal(d.labels[1] == 2, stack[1] > 0)
    np.testing.assert_allclose(d.commits.labels.layer.scale, d.picture.scale)
    np.testing.assert_allclose(d.commits.labels.layer.rotate, d.picture.rotate)
    d.press(Qt.Key.Key_Z, CONTROL)
    d.press(Qt.Key.Key_Z, CONTROL)
    assert d.viewer.dims.current_step[0] == 3  # where the undone object lies
    assert d.ids == []


def test_model_change_keeps_labels_and_prompts(drive: Callable[..., Driver]) -> None:
    d = drive()
    d.models["wide"] = ComponentModel(id="wide", scores=(0.1, 0.9, 0.2))
    d.click(*A)
    d.press(Qt.Key.Key_N)
    d.click(*B)
    assert d.shown == DISC
    combo = d.dock.model_panel.model
    combo.addItem("Wide", "wide")
    combo.setCurrentIndex(combo.count() - 1)
    combo.activated.emit(combo.count() - 1)
    d.until(lambda: d.shown > DISC)
    assert d.ids == [1] and len(d.points.data) == 1
    combo.addItem("Lost", "lost")
    combo.activated.emit(combo.count() - 1)
    d.until(lambda: d.session.status.kind == "error")
    assert "lost" in d.said and d.ids == [1] and len(d.points.data) == 1


def test_buttons_hands_and_closing(drive: Callable[..., Driver], qtbot: Any) -> None:
    d = drive()
    panel = d.dock.prompt_panel
    assert not panel.accept.isEnabled()
    d.click(*A)
    d.viewer.layers.selection.active = d.picture
    assert "sleep" in panel.candidate.text()
    d.press(Qt.Key.Key_N)
    assert d.ids == []  # another layer's keys are its own
    qtbot.mouseClick(panel.click, LEFT)
    assert d.viewer.layers.selection.active is d.points
    d.points.mode = "select"
    d.points.selected_data = {0}
    d.points.remove_selected()
    d.settle()
    assert d.shown == 0
    d.points.mode = "add"
    d.click(*A)
    qtbot.mouseClick(panel.accept, LEFT)
    d.settle()
    assert d.ids == [1]
    d.click(A[0], A[1] + 4)
    d.press(Qt.Key.Key_N)
    assert "labelled already" in d.said and d.ids == [1]
    assert len(d.points.data) == 1  # the prompts are not lost
    panel.overwrite.setChecked(True)
    d.press(Qt.Key.Key_N)
    assert d.ids == [2]
    target = d.commits.labels.layer
    target.undo()  # napari's own history, one step
    assert d.ids == [1]
    d.viewer.window.remove_dock_widget(d.dock)
    assert [layer.name for layer in d.viewer.layers] == ["cells", "cells labels"]
    d.dock.deleteLater()
    d.close = lambda: None


@pytest.mark.parametrize("cancel", [False, True])
def test_automatic_masks(drive: Callable[..., Driver], qtbot: Any, cancel: bool) -> None:
    stack = np.stack([draw_discs((60, 80), [(20 + z, 20), (40, 55)], 8) for z in range(5)])
    d = drive(stack, scale=(2, 1, 1))
    panel = d.dock.automatic_panel
    panel.scope.setCurrentIndex(1)
    panel.scope.activated.emit(1)
    panel.link.setCurrentIndex(1)
    d.click(int(d.viewer.dims.current_step[0]), 40, 55)
    d.press(Qt.Key.Key_N)
    first = d.labels.copy()
    model = d.models["pebble"]
    if cancel:
        encode, go_on = model.encode, Event()

        def encode_slowly(image: Any) -> Any:
            assert model.encoded < 4 or go_on.wait(60)
            return encode(image)

        model.encode = encode_slowly
    qtbot.mouseClick(panel.run, LEFT)
    assert panel.cancel.isEnabled() and not panel.run.isEnabled()
    if cancel:
        d.until(lambda: "plane 5" in panel.progress.toolTip().lower())
        qtbot.mouseClick(panel.cancel, LEFT)
        assert "Cancelling" in panel.progress.toolTip()
        go_on.set()
    d.until(lambda: not d.dock.automatic.work.busy)
    made = d.viewer.layers["cells automatic"]
    np.testing.assert_array_equal(d.labels, first)  # never over labels that exist
    np.testing.assert_allclose(made.scale, d.picture.scale)
    if cancel:
        done = made.data.reshape(5, -1).any(axis=1)
        assert 0 < done.sum() < 5 and "kept" in d.said
    else:
        np.testing.assert_array_equal(made.data > 0, stack > 0)
        assert np.unique(made.data).tolist() == [0, 1, 2]  # linked along z
        assert "2 objects" in d.said


def test_through_the_proxy_that_napari_hands_to_plugins(
    drive: Callable[..., Driver], qtbot: Any
) -> None:
    d = drive()
    d.viewer.window.remove_dock_widget(d.dock)
    d.dock.deleteLater()
    d.dock = SamDock(PublicOnlyProxy(d.viewer), Engine(d.models.__getitem__))
    d.viewer.window.add_dock_widget(d.dock, name="SAM")
    d.session, d.commits = d.dock.session, d.dock.commits
    d.until(lambda: d.session.status.kind == "ready")
    assert d.session.picture.main is d.picture
    d.click(*A)
    d.press(Qt.Key.Key_N)
    qtbot.mouseClick(d.dock.automatic_panel.run, LEFT)
    d.until(lambda: not d.dock.automatic.work.busy)
    assert d.ids == [1] and type(d.commits.labels.layer) is Labels
    d.viewer.layers.remove(d.picture)
    assert d.session.picture is None
