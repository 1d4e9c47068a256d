"""What is asked for ends when something else is done, unless it is made to last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam_onnx.plugin.editing.classes import Classes
from napari_sam_onnx.plugin.editing.editing import Editor
from napari_sam_onnx.plugin.editing.freehand import Freehand
from napari_sam_onnx.plugin.editing.gestures import Gestures
from tests.plugin.conftest import CENTERS

if TYPE_CHECKING:
    from tests.plugin.conftest import Bench


@pytest.fixture
def gestures(bench: Bench) -> Gestures:
    bench.open()
    made = Gestures(bench.session)
    bench.commits.recorded.connect(made.interrupt)
    return made


def test_accepting_correcting_and_deleting_end_it(bench: Bench, gestures: Gestures) -> None:
    editor, freehand = Editor(bench.commits, gestures), Freehand(gestures)
    picture = bench.session.picture.main
    bench.click(*CENTERS[0])
    editor.ask("join")
    assert gestures.current is not None and bench.session.layers.points.mode == "pan_zoom"
    bench.commits.accept()
    assert gestures.current is None and bench.session.layers.points.mode == "add"
    assert bench.ids == [1] and bench.said.startswith("Object 1")
    for ask in (lambda: editor.ask("split"), freehand.lasso, freehand.scribble):
        ask()
        bench.commits.correct_at(picture.data_to_world(CENTERS[0]))
        assert gestures.current is None
        bench.commits.discard()
    editor.ask("join")
    bench.commits.delete_at(picture.data_to_world(CENTERS[0]))
    assert gestures.current is None and bench.ids == []


def test_its_own_step_lets_it_say_what_it_did(bench: Bench, gestures: Gestures) -> None:
    Freehand(gestures).scribble()
    y, x = CENTERS[0]
    gestures.stroke([(y - 5.0, x), (y + 5.0, x)])
    assert gestures.current is None and len(bench.session.layers.points.data) > 1


def test_the_class_brush_lasts(bench: Bench, gestures: Gestures) -> None:
    classes = Classes(bench.commits, gestures)
    classes.add("cell")
    classes.choose("cell")
    classes.brush()
    bench.click(*CENTERS[0])
    bench.commits.accept()
    assert gestures.current is not None and gestures.current.name == "class"
    gestures.click(CENTERS[0])
    assert gestures.current is not None
