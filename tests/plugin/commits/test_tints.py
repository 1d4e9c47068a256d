"""The preview has the colour that the label will have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import Qt

from napari_sam_onnx.plugin.editing.classes import Classes
from napari_sam_onnx.plugin.editing.gestures import Gestures
from napari_sam_onnx.plugin.layers.colors import color_of, usual_colors
from tests.plugin.conftest import CENTERS, Bench

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.driver import Driver


def previewed(bench: Any, at: tuple[float, float]) -> tuple[float, ...]:
    """The colour that the preview draws at a pixel."""
    layer = bench.session.layers.preview.layer
    value = int(layer.data[int(at[0]), int(at[1])])
    assert value, "nothing is shown there"
    return tuple(np.asarray(layer.colormap.colors[value][:3]).round(3))


def labelled(bench: Any, at: tuple[float, float]) -> tuple[float, ...]:
    """The colour of the label that a pixel has, as napari gives it."""
    layer = bench.commits.labels.layer
    value = int(layer.data[int(at[0]), int(at[1])])
    assert value, "nothing is labelled there"
    return tuple(np.asarray(layer.get_color(value)[:3]).round(3))


def test_colors_are_those_that_napari_draws() -> None:
    layer = Labels(np.zeros((4, 4), np.int32))
    for label in (1, 2, 49, 50, 51, 1000):
        expected = np.asarray(layer.get_color(label)[:3]).round(3)
        np.testing.assert_allclose(color_of(layer, label), expected, atol=2e-3)
        np.testing.assert_allclose(color_of(None, label), expected, atol=2e-3)
    assert len(usual_colors()) == 49
    layer.colormap = DirectLabelColormap(color_dict={None: "gray", 0: "black", 3: "#ff0000"})
    assert color_of(layer, 3) == (1, 0, 0) and color_of(layer, 4) == color_of(layer, 5)


def test_each_object_has_the_color_of_its_number(bench: Bench) -> None:
    bench.open()
    bench.commits.labels.next_label = 7
    bench.click(*CENTERS[0])
    before = previewed(bench, CENTERS[0])
    bench.commits.labels.next_label = 12
    assert previewed(bench, CENTERS[0]) != before  # it follows the number
    before = previewed(bench, CENTERS[0])
    bench.commits.accept()
    assert labelled(bench, CENTERS[0]) == pytest.approx(before, abs=2e-3)

    layer = bench.commits.labels.layer
    layer.new_colormap(5)
    bench.session.choose_each_click(True)
    bench.click(*CENTERS[1])
    bench.click(*CENTERS[2])
    shown = [previewed(bench, at) for at in CENTERS[1:]]
    assert shown[0] != shown[1]
    layer.new_colormap(6)  # while they are open
    again = [previewed(bench, at) for at in CENTERS[1:]]
    assert again != shown
    bench.commits.accept()
    assert [labelled(bench, at) for at in CENTERS[1:]] == [
        pytest.approx(c, abs=2e-3) for c in again
    ]


def test_a_corrected_object_keeps_its_color(bench: Bench) -> None:
    picture = bench.open()
    plane = np.zeros((100, 120), np.int32)
    plane[20:41, 20:41] = 23
    layer = Labels(plane, name="theirs")
    bench.viewer.add_layer(layer)
    bench.commits.labels.choose(layer)
    bench.commits.correct_at(picture.data_to_world(CENTERS[0]))
    before = previewed(bench, CENTERS[0])
    assert labelled(bench, CENTERS[0]) == pytest.approx(before, abs=2e-3)


def test_classes_color_what_is_open(bench: Bench) -> None:
    bench.open()
    classes = Classes(bench.commits, Gestures(bench.session))
    classes.add("cell", "#ff0000")
    classes.add("debris", "#0000ff")
    bench.click(*CENTERS[0])
    plain = previewed(bench, CENTERS[0])
    classes.choose("cell")
    red = previewed(bench, CENTERS[0])
    assert red != plain and red[0] > red[2]
    classes.choose("debris")
    blue = previewed(bench, CENTERS[0])
    bench.commits.accept()
    assert blue[2] > blue[0] and labelled(bench, CENTERS[0]) == pytest.approx(blue, abs=2e-3)
    classes.choose("")
    bench.click(*CENTERS[1])  # no class among objects that have one: gray
    gray = previewed(bench, CENTERS[1])
    bench.commits.accept()
    assert labelled(bench, CENTERS[1]) == pytest.approx(gray, abs=2e-3)
    classes.choose_shown("text")
    bench.click(*CENTERS[2])
    before = previewed(bench, CENTERS[2])
    bench.commits.accept()
    assert labelled(bench, CENTERS[2]) == pytest.approx(before, abs=2e-3)


def test_on_the_canvas_the_color_stays_after_n(drive: Callable[..., Driver]) -> None:
    d = drive()
    d.session.layers.preview.choose_look(1.0, True)  # as opaque as the label below
    seen = []
    for at in CENTERS:
        d.click(*at)
        open_color = _drawn(d, at)
        d.press(Qt.Key.Key_N)
        d.commits.labels.layer.opacity = 1.0
        np.testing.assert_allclose(_drawn(d, at), open_color, atol=2)
        seen.append(tuple(open_color))
    assert len(set(seen)) == len(CENTERS) == len(d.ids)


def _drawn(d: Driver, at: tuple[float, float]) -> Any:
    """A pixel of the canvas, beside the point of the click."""
    spot = d.pixel(at[0] + 6, at[1] + 3)
    shot = d.viewer.window._qt_viewer.canvas.screenshot()
    return np.array(shot.pixelColor(spot).getRgb()[:3])
