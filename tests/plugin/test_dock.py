"""The dock with real mouse and key events on the canvas: what a user does, and the labels."""

from __future__ import annotations

from threading import Event, Timer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QListWidget,
    QScrollBar,
    QWidget,
)

from napari_sam_onnx.plugin.dock import SamDock
from napari_sam_onnx.plugin.editing.left import describe_picture
from napari_sam_onnx.plugin.panels.parts.widgets import Section
from napari_sam_onnx.plugin.picture.picture import split_axis
from napari_sam_onnx.plugin.session.engine import Engine
from napari_sam_onnx.records.journal import Journal
from tests.fakes import ComponentModel, draw_discs
from tests.plugin.conftest import CENTERS, RADIUS
from tests.plugin.driver import CONTROL, LEFT, RIGHT, SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.driver import Driver

A, B, C = CENTERS
DISC = int(np.count_nonzero(draw_discs((100, 120), [A], RADIUS)))


def choose(combo: QComboBox, data: Any) -> None:
    combo.setCurrentIndex(combo.findData(data))
    combo.activated.emit(combo.currentIndex())


def disc(center: tuple[float, float]) -> Any:
    return draw_discs((100, 120), [center], RADIUS) > 0


def choose_overlap(panel: Any, policy: str) -> None:
    """Choose a policy as a user does in the list."""
    panel.overlap.setCurrentIndex(panel.overlap.findData(policy))
    panel.overlap.activated.emit(panel.overlap.currentIndex())


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
    choose_overlap(panel, "overwrite")
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
    choose(panel.stack.method, "planes")
    assert panel.stack.link.currentData() == 0  # along what is taken for depth
    d.click(int(d.viewer.dims.current_step[0]), 40, 55)
    d.press(Qt.Key.Key_N)
    target = d.commits.labels.layer
    first = target.data.copy()
    model = d.models["pebble"]
    if cancel:
        encode, go_on = model.encode, Event()

        def encode_slowly(image: Any) -> Any:
            last = np.array_equal(image[..., 0] > 0, stack[4] > 0)
            assert not last or go_on.wait(60)
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
    np.testing.assert_array_equal(target.data, first)  # never over labels that exist
    assert d.commits.labels.layer is made  # what is corrected from now on
    np.testing.assert_allclose(made.scale, d.picture.scale)
    if cancel:
        done = made.data.reshape(5, -1).any(axis=1)
        assert 0 < done.sum() < 5 and "kept" in d.said
    else:
        np.testing.assert_array_equal(made.data > 0, stack > 0)
        assert np.unique(made.data).tolist() == [0, 1, 2]  # linked along z
        assert "2 objects" in d.said
    d.press(Qt.Key.Key_Z, CONTROL)
    assert made not in d.viewer.layers and d.commits.labels.layer is target
    d.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert made in d.viewer.layers and d.commits.labels.layer is made


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
    assert d.ids == [1, 2, 3] and type(d.commits.labels.layer) is Labels
    d.viewer.layers.remove(d.picture)
    assert d.session.picture is None


def test_every_control_says_what_it_does(drive: Callable[..., Driver]) -> None:
    d = drive(np.zeros((3, 2, 60, 80), np.uint8) + draw_discs((60, 80), [A], 8))
    d.session.choose_picture(split_axis(d.picture, 1))
    panel = d.dock.automatic_panel
    silent = []
    for mode in range(panel.mode.count()):
        panel.mode.setCurrentIndex(mode)
        panel.mode.activated.emit(mode)
        kinds = (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit, QListWidget)
        controls = [w for w in d.dock.findChildren(QWidget) if isinstance(w, kinds)]
        own = [w for w in controls if not isinstance(w.parent(), (*kinds, QScrollBar))]
        silent += [type(w).__name__ for w in own if not w.toolTip()]
    assert len(own) > 25 and not silent


def test_the_layout_stays_where_it_is(drive: Callable[..., Driver], qtbot: Any) -> None:
    d = drive()
    panel, run = d.dock.prompt_panel, d.dock.automatic_panel.run

    def places() -> list[Any]:
        QTest.qWait(30)
        return [w.mapTo(d.dock, QPoint(0, 0)) for w in (panel.target, panel.accept, run)]

    before = places()
    d.click(*A)
    assert places() == before
    d.session.say("A sentence that goes on and on, " * 12, "info")
    assert places() == before
    shown = d.dock.status.text()
    assert shown.endswith("…") and len(d.dock.status.toolTip()) > 300
    d.viewer.layers.selection.active = d.picture
    assert places() == before
    qtbot.mouseClick(run, LEFT)
    assert places() == before
    d.until(lambda: not d.dock.automatic.work.busy)
    assert places() == before


def test_nothing_is_cut_at_the_right(drive: Callable[..., Driver]) -> None:
    d = drive(name="a_very_long_name_of_a_file_" * 4)
    titles = [section.header.text() for section in d.dock.sections]
    assert len(set(titles)) == len(titles)
    d.viewer.window._qt_window.resize(1366, 768)
    panel = d.dock.automatic_panel
    for mode in range(panel.mode.count()):
        panel.mode.setCurrentIndex(mode)
        panel.mode.activated.emit(mode)
        for section in (*d.dock.sections, *d.dock.findChildren(Section)):
            section.header.setChecked(True)
        QTest.qWait(50)
        room = d.dock.scroll.viewport().width()
        column = d.dock.scroll.widget()
        assert column.width() <= room
        for widget in column.findChildren(QWidget):
            if widget.isVisible() and widget.window() is d.dock.window():
                right = widget.mapTo(column, QPoint(widget.width(), 0)).x()
                assert right <= room, (widget, widget.toolTip())


def test_a_section_that_is_opened_comes_into_view(drive: Callable[..., Driver], qtbot: Any) -> None:
    d = drive()
    d.viewer.window._qt_window.resize(1366, 768)
    section = next(s for s in d.dock.sections if s.body is d.dock.measure_panel)
    view = d.dock.scroll.viewport()
    d.dock.scroll.ensureWidgetVisible(section)
    QTest.qWait(20)
    qtbot.mouseClick(section.header, LEFT)
    QTest.qWait(20)
    top = section.mapTo(view, QPoint(0, 0)).y()
    assert top >= 0 and (top + section.height() <= view.height() or top <= 8)
    d.dock.scroll.verticalScrollBar().setValue(0)
    section.header.setChecked(False)
    section.header.setChecked(True)  # nobody pressed it
    assert d.dock.scroll.verticalScrollBar().value() == 0


def test_six_channels_leave_accept_and_run_on_a_small_screen(drive: Callable[..., Driver]) -> None:
    stack = np.zeros((3, 6, 60, 80), np.uint8) + draw_discs((60, 80), [A], 8)
    d = drive(stack)
    d.viewer.window._qt_window.resize(1366, 768)
    d.session.choose_picture(split_axis(d.picture, 1))
    QTest.qWait(100)
    for button in (d.dock.prompt_panel.accept, d.dock.automatic_panel.run):
        inside = button.mapTo(d.dock.scroll.viewport(), QPoint(0, button.height())).y()
        assert inside <= d.dock.scroll.viewport().height()


def test_a_dock_opened_again_goes_on_with_its_labels(drive: Callable[..., Driver]) -> None:
    d = drive()
    d.click(*A)
    d.press(Qt.Key.Key_N)
    target = d.commits.labels.layer
    choose_overlap(d.dock.prompt_panel, "overwrite")
    d.viewer.window.remove_dock_widget(d.dock)
    d.dock.deleteLater()
    d.dock = SamDock(d.viewer, Engine(d.models.__getitem__))
    d.viewer.window.add_dock_widget(d.dock, name="SAM")
    d.session, d.commits = d.dock.session, d.dock.commits
    d.until(lambda: d.session.status.kind == "ready")
    assert d.commits.labels.layer is target
    assert d.dock.prompt_panel.target.currentText() == "cells labels"
    assert d.dock.prompt_panel.overlap.currentData() == "keep"
    d.click(*B)
    d.press(Qt.Key.Key_N)
    assert d.ids == [1, 2] and d.commits.labels.layer is target


def test_overwrite_is_for_one_picture(drive: Callable[..., Driver]) -> None:
    d = drive()
    choose_overlap(d.dock.prompt_panel, "overwrite")
    other = d.viewer.add_image(draw_discs((100, 120), [B], RADIUS), name="other")
    d.session.choose_layer(other)
    assert (
        d.commits.rules.overlap == "keep"
        and not d.dock.prompt_panel.overlap.currentData() == "overwrite"
    )


def test_undo_says_what_became_of_the_object(drive: Callable[..., Driver]) -> None:
    d = drive()
    d.click(*A)
    d.press(Qt.Key.Key_N)
    d.press(Qt.Key.Key_Z, CONTROL)
    assert d.said == "Undone: object 1 is gone; Ctrl+Shift+Z does it again."
    d.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert d.said == "Done again: object 1 is there; Ctrl+Z undoes it."


def test_no_number_is_shown_before_it_is_known(
    drive: Callable[..., Driver], monkeypatch: Any
) -> None:
    d = drive()
    box = d.dock.prompt_panel.label
    assert box.text() == "1" and box.isEnabled()
    monkeypatch.setattr(type(d.commits.labels), "next_label", property(lambda self: None))
    d.dock.prompt_panel.refresh_target()
    assert box.text() == "being found …" and not box.isEnabled()
    monkeypatch.undo()
    d.dock.prompt_panel.refresh_target()
    assert box.text() == "1" and box.isEnabled()


def test_contrast_is_followed_when_it_rests(drive: Callable[..., Driver]) -> None:
    d = drive(draw_discs((60, 80), [A], 8) // 2 + 20)  # other limits show other pixels
    d.settle()
    encoded, version = d.models["pebble"].encoded, d.session.reader.version
    for high in range(200, 100, -5):
        d.picture.contrast_limits = (0, high)
    assert d.session.reader.version == version  # nothing is read while it moves
    d.until(lambda: d.session.reader.channels[0].limits == (0, 105))
    d.settle()
    assert d.models["pebble"].encoded == encoded + 1


def test_a_late_failure_is_not_said_over_what_is_newer(drive: Callable[..., Driver]) -> None:
    d = drive()
    go_on, decode = Event(), d.models["pebble"].decode

    def fail_late(embedding: Any, prompts: Any) -> Any:
        if len(prompts[0].points) == 1:
            assert go_on.wait(60)
            raise ValueError("This answer could not be had.")
        return decode(embedding, prompts)

    d.models["pebble"].decode = fail_late
    d.points.add(np.array(A, float))
    QTest.qWait(50)
    d.points.add(np.array((A[0] + 2, A[1]), float))
    go_on.set()
    d.settle()
    assert d.shown == DISC and d.session.status.kind != "error"


@pytest.mark.parametrize("how", ["dock", "viewer"])
def test_closing_during_a_run(drive: Callable[..., Driver], qtbot: Any, how: str) -> None:
    d = drive(np.stack([draw_discs((60, 80), [(20 + z, 20)], 8) for z in range(3)]))
    go_on, begun, model = Event(), Event(), d.models["pebble"]
    encode = model.encode

    def encode_slowly(image: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return encode(image)

    model.encode = encode_slowly
    d.dock.automatic_panel.scope.setCurrentIndex(1)
    qtbot.mouseClick(d.dock.automatic_panel.run, LEFT)
    d.until(begun.is_set)
    if how == "dock":
        d.viewer.window.remove_dock_widget(d.dock)
        assert [layer.name for layer in d.viewer.layers] == ["cells"]
        d.dock.deleteLater()
    else:  # napari waits for what runs
        Timer(0.5, go_on.set).start()
        d.viewer.close()
    d.close = lambda: None
    QTest.qWait(100)
    go_on.set()
    QTest.qWait(300)


@pytest.mark.parametrize("turn", [1, -1], ids=["picture first", "picture last"])
def test_all_layers_can_be_deleted_at_once(drive: Callable[..., Driver], turn: int) -> None:
    d = drive()
    d.click(*A)
    d.press(Qt.Key.Key_N)
    d.click(*B)
    layers = d.viewer.layers
    layers.select_all()
    for layer in list(layers)[::turn]:  # as napari deletes what is selected, in any order
        layers.remove(layer)
    d.settle()
    assert list(layers) == [] and d.session.picture is None


@pytest.mark.parametrize("how", ["dock", "viewer"])
def test_closing_is_no_crash(drive: Callable[..., Driver], home: Path, how: str) -> None:
    d = drive()
    d.click(*A)
    d.press(Qt.Key.Key_N)
    d.until(lambda: any((home / "journals").glob("*/log")))
    if how == "dock":
        d.viewer.window.remove_dock_widget(d.dock)
        d.dock.deleteLater()
    else:
        d.viewer.close()
    d.close = lambda: None
    d.until(lambda: not list((home / "journals").iterdir()))


def test_work_that_a_crash_left_is_offered(drive: Callable[..., Driver], home: Path) -> None:
    left = Journal(home / "journals")
    labels = np.zeros((100, 120), np.uint32)
    labels[disc(A)] = 4
    d = drive()
    left.begin(describe_picture(d.session.picture))
    left.write_labels("a", "cells labels", labels, target=True)
    left.close(keep=True)
    bar = d.dock.left_work
    assert not bar.isVisible()
    d.session.choose_picture(None)
    d.session.choose_layer(d.picture)
    d.until(bar.isVisible)
    assert "1 object" in bar.text.text() and "“cells”" in bar.text.text()
    QTest.mouseClick(bar.restore, LEFT)
    d.settle()
    assert d.ids == [4] and d.commits.labels.layer.name == "cells labels"
    assert not bar.isVisible()
    d.until(lambda: not left.folder.exists())
    d.click(*B)
    d.press(Qt.Key.Key_N)
    assert d.ids == [4, 5]
