"""Strokes as prompts, and what a click would give under the pointer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt

from napari_sam_onnx.plugin.editing.freehand import CORNERS, POINTS, spread, thin
from napari_sam_onnx.plugin.session.hover import Hover
from tests.fakes import ComponentModel
from tests.plugin.conftest import CENTERS
from tests.plugin.driver import CONTROL, NONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Bench
    from tests.plugin.driver import Driver

A, B, C = CENTERS


def test_a_stroke_becomes_few_points_evenly_along_it() -> None:
    points = spread([(0, 0), (0, 50), (50, 50)])
    assert (
        len(points) == POINTS and points[0].tolist() == [0, 10] and points[-1].tolist() == [40, 50]
    )
    assert spread([(3, 3), (3, 4)]).tolist() == [[3, 3.5]]
    circle = [(np.sin(a), np.cos(a)) for a in np.linspace(0, 6, 400)]
    assert len(thin(circle)) == CORNERS and len(thin(circle[:7] + circle[6:7])) == 7


def test_scribble_and_lasso_on_the_canvas(drive: Callable[..., Driver]) -> None:
    asked: list[Any] = []

    class Asked(ComponentModel):
        def decode(self, embedding: Any, prompts: Any) -> Any:
            asked.extend(prompts)
            return super().decode(embedding, prompts)

    d = drive(model=Asked())
    d.press(Qt.Key.Key_D)
    assert d.said.startswith("Scribble")
    d.drag((24, 30), (36, 30), keys=NONE)
    assert 2 <= len(d.points.data) <= POINTS and d.points.features["positive"].all()
    assert d.shown > 0 and d.gestures_idle and len(d.session.layers.boxes.data) == 0
    d.press(Qt.Key.Key_Z, CONTROL)  # one edit
    assert len(d.points.data) == 0
    d.press(Qt.Key.Key_L)
    d.click(*B)
    assert "Hold the button" in d.said and not d.gestures_idle
    angles = np.linspace(0, 2 * np.pi, 24)
    d.session.draft.drop()
    d.dock.gestures.stroke([(30 + 13 * np.sin(a), 80 + 13 * np.cos(a)) for a in angles])
    d.settle()
    assert d.gestures_idle and len(d.session.layers.boxes.data) == 1
    last = asked[-1]
    assert last.mask is None and d.shown > 0  # a rough outline is no mask to begin with
    np.testing.assert_allclose(last.box, (18.3, 68.3, 41.7, 91.7), atol=0.2)
    d.press(Qt.Key.Key_N)
    assert d.ids == [1]


def move(hover: Hover, bench: Bench, *at: float) -> None:
    hover.move(None, SimpleNamespace(position=bench.session.picture.main.data_to_world(at)))


def test_what_a_click_would_give_is_shown_and_nothing_is_kept(bench: Bench) -> None:
    hover = Hover(bench.session)
    bench.open()
    move(hover, bench, *A)
    assert bench.shown == 0  # off
    hover.on = True
    move(hover, bench, *A)
    assert bench.shown > 0 and not bench.session.answers
    bench.commits.accept()
    assert bench.ids == [] and "nothing to accept" in bench.said
    bench.lane.hold()
    move(hover, bench, A[0] + 3, A[1])  # on the same object it need not go before the next answer
    assert bench.shown > 0
    bench.lane.release()
    move(hover, bench, 0, 0)
    assert bench.shown == 0
    move(hover, bench, -50, 0)
    bench.click(*B)
    shown = bench.shown
    decoded = bench.models["pebble"].decoded
    move(hover, bench, *C)  # what is open stays
    assert bench.shown == shown and bench.models["pebble"].decoded == decoded
    bench.commits.accept()
    bench.session.engine.cache.clear()
    encoded = bench.models["pebble"].encoded
    move(hover, bench, *C)
    assert bench.models["pebble"].encoded == encoded  # nothing is encoded for it


def test_the_look_of_previews_is_chosen(bench: Bench) -> None:
    bench.open()
    preview = bench.session.layers.preview
    values = np.array([1, 2])
    for fill, outline, edge, inside in (
        (0.5, True, 1, 0.5),
        (0, True, 1, 0),
        (0.8, False, 0.8, 0.8),
    ):
        preview.choose_look(fill, outline)
        np.testing.assert_allclose(preview.layer.colormap.map(values)[:, 3], [edge, inside])
