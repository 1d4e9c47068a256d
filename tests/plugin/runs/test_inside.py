"""All objects inside a box or a lasso, in the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam_onnx.plugin.editing.gestures import Gestures
from napari_sam_onnx.plugin.runs import inside
from napari_sam_onnx.plugin.runs.inside import Inside
from napari_sam_onnx.plugin.runs.work import Work
from tests.plugin.conftest import CENTERS, Bench
from tests.plugin.driver import CONTROL, LEFT, SHIFT
from tests.plugin.runs.streams import StepStream

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.plugin.driver import Driver

ROUND = [(10.0, 10.0), (10.0, 110.0), (50.0, 110.0), (50.0, 10.0), (10.0, 10.0)]


def made(bench: Bench) -> tuple[Inside, list[StepStream]]:
    streams: list[StepStream] = []

    def stream(*arguments: object) -> StepStream:
        streams.append(StepStream(*arguments))  # type: ignore[arg-type]
        return streams[-1]

    gestures = Gestures(bench.session)
    return Inside(bench.commits, gestures, Work(stream)), streams


def test_what_was_found_is_open_and_accepted_together(bench: Bench) -> None:
    bench.open()
    find, streams = made(bench)
    bench.click(*CENTERS[2])
    find.ask()
    decoded = bench.models["pebble"].decoded
    find.gestures.stroke(ROUND)
    assert find.gestures.current is None and "Looking" in bench.said
    streams[0].run()
    asked = bench.models["pebble"].decoded
    assert asked > decoded and len(bench.session.answers) == 2 and "2 objects" in bench.said
    bench.commits.accept()
    assert bench.models["pebble"].decoded == asked  # the boxes are answered already
    assert bench.ids == [1, 2] and bench.labels[CENTERS[0]] and bench.labels[CENTERS[1]]
    bench.commits.undo()
    assert bench.ids == [] and len(bench.session.answers) == 2
    bench.commits.undo()
    assert len(bench.session.prompts.points) == 1  # the click is back
    find.ask()
    find.gestures.stroke([(0.0, 0.0), (0.0, 119.0), (99.0, 119.0), (99.0, 0.0)])
    streams[1].run()
    assert len(bench.session.answers) == 3
    bench.click(CENTERS[0][0], CENTERS[0][1], positive=False)  # corrects one of them
    assert len(bench.session.answers) == 3 and len(bench.session.prompts.points) == 1


def test_the_open_box_says_where(bench: Bench) -> None:
    bench.open()
    find, streams = made(bench)
    bench.session.add_box((12, 60, 50, 110))
    find.ask()
    streams[0].run()
    assert find.gestures.current is None
    assert [answer.mask.area for answer in bench.session.answers] == [317]
    bench.commits.accept()
    find.ask()
    find.gestures.stroke(ROUND)
    streams[1].run()
    assert len(bench.session.answers) == 1  # the other one is labelled already


def test_what_came_to_nothing_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    find, streams = made(bench)
    find.ask()
    assert "Open a picture" in bench.said
    bench.open(np.stack([np.zeros((60, 60), np.uint8)] * 2))
    find.ask()
    find.gestures.click((3, 3))
    assert "draw around" in bench.said
    find.gestures.stroke([(3, 3), (3, 9)])
    assert "not across" in bench.said
    find.gestures.stroke([(3, 3), (3, 50), (50, 50), (50, 3)])
    find.ask()
    find.gestures.stroke([(3, 3), (3, 50), (50, 50)])
    assert "cancel it first" in bench.said
    streams[0].run()
    assert "No new object" in bench.said
    find.ask()
    find.gestures.stroke([(3, 3), (3, 50), (50, 50), (50, 3)])
    bench.viewer.dims.set_point(0, 1)
    streams[1].run()
    assert "Another plane" in bench.said
    find.ask()
    find.gestures.stroke([(3, 3), (3, 50), (50, 50), (50, 3)])
    find.work.cancel()
    streams[2].run()
    assert "cancelled" in bench.said
    monkeypatch.setattr(inside, "MOST", 1)
    bench.open(name="discs")
    bench.session.choose_layer(bench.viewer.layers["discs"])
    find.ask()
    find.gestures.stroke(ROUND)
    streams[3].run()
    assert "automatic masks there" in bench.said and not bench.session.answers


def test_lasso_and_box_on_the_canvas(drive: Callable[..., Driver]) -> None:
    d = drive()
    button = d.dock.prompt_panel.all_inside
    QTest.mouseClick(button, LEFT)
    assert button.isChecked() and d.said.startswith("All inside")
    QTest.mouseClick(button, LEFT)
    assert not button.isChecked() and d.gestures_idle
    d.drag((12, 12), (48, 108))
    d.press(Qt.Key.Key_L, SHIFT)
    d.until(lambda: len(d.session.answers) == 2)
    d.press(Qt.Key.Key_N)
    assert d.ids == [1, 2]
    d.press(Qt.Key.Key_Z, CONTROL)
    assert d.ids == [] and len(d.session.answers) == 2
