"""What was found is reviewed with real keys, and judged by lasso, each one step."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtTest import QTest

from napari_sam_onnx.plugin.runs.judged import filtering
from napari_sam_onnx.plugin.runs.judged.doubts import find_inside
from tests.fakes import ComponentModel, draw_discs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_sam_onnx.embedding import Embedding, LowResMasks
    from napari_sam_onnx.prompts import Prompts
    from tests.plugin.driver import Driver

CENTERS = ((20, 20), (20, 60), (70, 30), (70, 90))
LEFT = Qt.MouseButton.LeftButton
SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


class Unsure(ComponentModel):
    """Rates what lies further down and to the right lower."""

    def decode(self, embedding: Embedding, prompts: Sequence[Prompts]) -> LowResMasks:
        answer = super().decode(embedding, prompts)
        places = np.array([prompt.points[0].sum() for prompt in prompts])
        answer.predicted_iou[:, 0] = 0.99 - places / 400
        return answer


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path))


def start(drive: Callable[..., Driver]) -> tuple[Driver, Any]:
    d = drive(draw_discs((100, 120), CENTERS, 9), Unsure(scores=(0.95, 0.1, 0.1)))
    QTest.mouseClick(d.dock.automatic_panel.run, LEFT)
    d.until(lambda: not d.dock.automatic.work.busy)
    return d, d.dock.doubt_panel


def shown(d: Driver) -> list[str]:
    QTest.qWait(30)
    items = d.dock.review_panel.list
    return [items.item(row).text().split(":")[0] for row in range(items.count())]


def at(d: Driver, center: tuple[int, int]) -> int:
    return int(d.labels[center])


def test_the_most_doubtful_comes_first_and_is_kept_or_deleted(
    drive: Callable[..., Driver],
) -> None:
    d, panel = start(drive)
    numbers = [at(d, center) for center in CENTERS]
    QTest.mouseClick(panel.begin, LEFT)
    first = d.dock.review_panel.list.item(0).text()
    assert first.startswith(f"Object {numbers[3]}: rated 0.6") and "stability" in first
    assert shown(d) == [f"Object {n}" for n in numbers[::-1]]
    assert d.commits.labels.layer.selected_label == numbers[3] and "1 of 4" in d.said
    d.press(Qt.Key.Key_Y, SHIFT)
    assert at(d, CENTERS[3]) == 0 and len(d.ids) == 3
    assert shown(d) == [f"Object {n}" for n in numbers[2::-1]]
    d.press(Qt.Key.Key_Y)  # the next one is kept
    assert shown(d) == [f"Object {n}" for n in numbers[1::-1]]
    d.dock.automatic_panel.filter.limits["min_rating"].number.setValue(0.97)
    assert d.ids == [numbers[2]]  # whatever the limits say
    d.dock.automatic_panel.filter.limits["min_rating"].number.setValue(0)
    assert len(d.ids) == 3  # what was deleted does not come back
    d.press(Qt.Key.Key_Z, CONTROL)
    assert "no longer kept" in d.said and f"Object {numbers[2]}" in shown(d)
    d.press(Qt.Key.Key_Z, CONTROL)
    assert at(d, CENTERS[3]) == numbers[3] and f"Object {numbers[3]}" in shown(d)


@pytest.mark.parametrize("name", ["delete", "join", "keep"])
def test_a_lasso_judges_many_as_one_step(drive: Callable[..., Driver], name: str) -> None:
    d, panel = start(drive)
    numbers = [at(d, center) for center in CENTERS]
    before = d.labels.copy()
    panel.lassos[name].click()
    assert panel.lassos[name].isChecked() and "draw around" in d.said
    spots = [d.pixel(*spot) for spot in ((5, 5), (5, 80), (34, 80), (34, 5))]
    d.move(5, 5)
    QTest.mousePress(d.canvas, LEFT, Qt.KeyboardModifier.NoModifier, spots[0])
    for spot in (*spots[1:], spots[0]):
        d._send(QEvent.Type.MouseMove, spot, LEFT, Qt.KeyboardModifier.NoModifier)
        QTest.qWait(15)
    QTest.mouseRelease(d.canvas, LEFT, Qt.KeyboardModifier.NoModifier, spots[0])
    d.settle()
    assert not panel.lassos[name].isChecked()
    if name == "delete":
        assert d.ids == sorted(numbers[2:]) and "deleted 2 objects" in d.said.lower()
    elif name == "join":
        assert at(d, CENTERS[0]) == at(d, CENTERS[1]) and len(d.ids) == 3
    else:
        d.dock.automatic_panel.filter.limits["min_rating"].number.setValue(1)
        assert d.ids == sorted(numbers[:2])
        d.dock.automatic_panel.filter.limits["min_rating"].number.setValue(0)
    d.press(Qt.Key.Key_Z, CONTROL)
    np.testing.assert_array_equal(d.labels, before)


def test_lassos_mean_what_lies_in_them_for_the_most_part() -> None:
    labels = np.zeros((20, 20), np.uint32)
    labels[2:8, 2:8], labels[2:8, 10:16], labels[12:18, 2:8] = 1, 2, 3
    assert find_inside(labels, [(0, 0), (0, 14), (9, 14), (9, 0)]) == [1, 2]
    assert find_inside(labels, [(0, 0), (0, 11), (9, 11), (9, 0)]) == [1]
    assert find_inside(labels, [(3, 3)]) == [1] and find_inside(labels, [(19, 19)]) == []
    assert find_inside(labels, [(-5, 400)]) == []


def test_nothing_to_review_is_said(drive: Callable[..., Driver]) -> None:
    d = drive(draw_discs((100, 120), CENTERS, 9))
    d.dock.doubts.begin()
    assert "run automatic masks first" in d.said
    d.press(Qt.Key.Key_Y)
    assert "Go to a place of the list first" in d.said


def test_a_list_that_is_due_when_the_dock_closes_is_not_made(drive: Callable[..., Driver]) -> None:
    d, panel = start(drive)
    panel.begin.click()
    d.commits.changed.emit()  # as N does: the list is made anew in the next turn
    d.dock.shut()
    made: list[int] = []
    d.dock.reviewer.queue.changed.connect(lambda: made.append(1))
    QTest.qWait(50)
    assert not made


def test_the_list_shows_whole_rows(drive: Callable[..., Driver]) -> None:
    d, panel = start(drive)
    section = next(s for s in d.dock.sections if s.body is d.dock.review_panel)
    section.header.setChecked(True)
    panel.begin.click()
    view = d.dock.review_panel.list
    QTest.qWait(30)
    assert view.viewport().height() % view.sizeHintForRow(0) == 0


def test_many_objects_are_listed_away_from_the_interface(
    drive: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtering, "MANY", 3)
    threads: list[int] = []

    def tabulate(*given: Any) -> Any:
        threads.append(get_ident())
        return known(*given)

    known = filtering.tabulate
    monkeypatch.setattr(filtering, "tabulate", tabulate)
    d, panel = start(drive)
    panel.begin.click()
    d.press(Qt.Key.Key_Y)
    layer = d.commits.labels.layer
    d.until(lambda: "kept" in "".join(layer.features.get("flags", ())))
    assert threads and get_ident() not in threads
