"""Objects too small for the model's scale: said, offered a closer look, left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam_onnx.plugin.editing.scale_advice import ScaleAdviser
from napari_sam_onnx.plugin.editing.styles import Styles
from tests.fakes import draw_discs
from tests.plugin.driver import LEFT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.plugin.conftest import Bench
    from tests.plugin.driver import Driver

SPOTS = [(15 + 20 * row, 15 + 20 * column) for row in range(4) for column in range(5)]


def accept(bench: Bench, spots: Sequence[tuple[int, int]]) -> None:
    for spot in spots:
        bench.click(*spot)
        bench.commits.accept()


def test_three_small_objects_bring_advice_which_can_be_left(bench: Bench) -> None:
    styles = Styles(bench.commits)
    adviser = ScaleAdviser(bench.commits, styles)
    bench.open(draw_discs((100, 120), SPOTS, 4))
    accept(bench, SPOTS[:2])
    assert not adviser.diameter
    accept(bench, SPOTS[2:3])
    assert 7 < adviser.diameter < 9 and 7 < adviser.seen < 9
    styles.diameter = 8.0
    assert not adviser.diameter
    styles.diameter = 0.0
    assert adviser.diameter
    adviser.leave()
    assert not adviser.diameter
    bench.session.choose_model("other")
    assert not adviser.diameter


def test_objects_that_are_seen_well_bring_none(bench: Bench) -> None:
    adviser = ScaleAdviser(bench.commits, Styles(bench.commits))
    bench.open(draw_discs((100, 120), SPOTS, 9))
    accept(bench, SPOTS[:8:2])
    assert len(bench.ids) == 4 and not adviser.diameter


def test_the_bar_sets_the_diameter_for_clicks(drive: Callable[..., Driver]) -> None:
    d = drive(draw_discs((100, 120), SPOTS, 4))
    bar = d.dock.scale_bar
    for spot in SPOTS[:3]:
        assert not bar.isVisible()
        d.click(*spot)
        d.press(Qt.Key.Key_N)
    assert bar.isVisible() and "small for this model" in bar.text.text()
    QTest.mouseClick(bar.closer, LEFT)
    assert not bar.isVisible() and 7 < d.dock.styles.diameter < 9
    assert d.dock.automatic_panel.sizes.clicks.isChecked()
