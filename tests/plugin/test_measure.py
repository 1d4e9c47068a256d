"""Objects as a table in the dock, saved as CSV; labels against a truth."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPersistentModelIndex, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_sam_onnx.plugin.panels.automatic.measure_panel import _Columns
from napari_sam_onnx.plugin.runs.judged.measuring import Measuring
from napari_sam_onnx.plugin.session.stack_axes import StackAxes
from tests.fakes import draw_discs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.conftest import Bench
    from tests.plugin.driver import Driver

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path))


def test_the_table_is_measured_sorted_followed_and_saved(
    drive: Callable[..., Driver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = np.stack([draw_discs((100, 120), [(30, 30)], 6 + 4 * z) for z in range(3)])
    d = drive(stack, scale=(1, 0.5, 0.5), units=("um", "um", "um"))
    panel, automatic = d.dock.measure_panel, d.dock.automatic_panel
    next(s for s in d.dock.sections if s.body is panel).header.setChecked(True)
    assert not panel.measure.isEnabled() and not panel.save.isEnabled()
    d.viewer.dims.set_current_step(0, 0)
    d.settle()
    automatic.scope.setCurrentIndex(1)
    automatic.scope.activated.emit(1)
    planes = automatic.stack.method.findData("planes")
    automatic.stack.method.setCurrentIndex(planes)
    automatic.stack.method.activated.emit(planes)
    automatic.stack.link.setCurrentIndex(automatic.stack.link.findData(None))
    QTest.mouseClick(automatic.run, LEFT)
    d.until(lambda: not d.dock.automatic.work.busy)
    QTest.qWait(50)
    features = d.commits.labels.layer.features
    assert features["index"].tolist() == [1, 2, 3] and features["plane"].tolist() == list("012")
    assert {"rating", "stability", "seed_y", "flags", "area_um2"} <= set(features)
    QTest.mouseClick(panel.measure, LEFT)
    d.until(lambda: bool(d.dock.measuring.columns))
    columns = d.dock.measuring.columns
    assert columns["label"] == [1, 2, 3] and columns["rating"][0] > 0.9
    volume = int(np.count_nonzero(stack[1])) / 4
    assert columns["volume_um3"][1] == pytest.approx(volume) and columns["planes"] == [1, 1, 1]
    bright = d.viewer.add_image(stack * 2.0, name="GFP", scale=(1, 0.5, 0.5), visible=False)
    d.viewer.layers.selection.active = d.session.layers.points
    QTest.mouseClick(panel.whole, LEFT, pos=QPoint(8, panel.whole.height() // 2))
    d.until(lambda: "area_um2" in d.dock.measuring.columns)
    columns = d.dock.measuring.columns
    inside = d.commits.labels.layer.data == 2
    assert columns["intensity_mean_GFP"][1] == pytest.approx(bright.data[inside].mean())
    assert f"intensity_max_{d.picture.name}" in columns
    area = int(np.count_nonzero(stack[1])) / 4
    assert columns["area_um2"][1] == pytest.approx(area)
    titles = [panel.model.headerData(n, Qt.Orientation.Horizontal) for n in range(4)]
    assert "area (µm²)" in titles and "3 objects" in d.said
    column = list(columns).index("area_um2")
    panel.table.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    spot = panel.table.visualRect(panel.model.index(0, 0)).center()
    QTest.mouseClick(panel.table.viewport(), LEFT, pos=spot)
    assert d.session.plane.position[0] == 2 and d.commits.labels.layer.selected_label == 3
    path = tmp_path / "objects.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    QTest.mouseClick(panel.save, LEFT)
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["1", "2", "3"] and "rating" in rows[0]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "a/b"), ""))
    QTest.mouseClick(panel.save, LEFT)
    assert "not saved" in d.said


def test_a_table_is_sorted_by_any_column_and_what_is_selected_stays_so(qapp: Any) -> None:
    model = _Columns()
    nan = float("nan")
    model.show({"label": [1, 2, 3, 4], "rating": [0.5, nan, 0.9, 0.5], "flags": ["b", "", "a", ""]})

    def labels() -> list[str]:
        return [model.data(model.index(row, 0)) for row in range(4)]

    held = QPersistentModelIndex(model.index(2, 0))
    assert labels() == ["1", "2", "3", "4"]
    model.sort(1, Qt.SortOrder.DescendingOrder)
    assert labels() == ["3", "1", "4", "2"]  # not known is last
    assert held.row() == 0 and model.row_of(model.index(0, 0)) == 2
    model.sort(1, Qt.SortOrder.AscendingOrder)
    assert labels() == ["1", "4", "3", "2"] and held.row() == 2
    model.sort(2, Qt.SortOrder.AscendingOrder)
    assert labels() == ["2", "4", "3", "1"]
    model.show({"label": [7, 5], "rating": [1.0, 0.0], "flags": ["z", "y"]})
    assert [model.data(model.index(row, 0)) for row in range(2)] == ["5", "7"]
    model.show({"label": [3, 4]})  # without the column that it was sorted by
    assert [model.data(model.index(row, 0)) for row in range(2)] == ["3", "4"]


def test_labels_are_compared_with_a_truth(drive: Callable[..., Driver]) -> None:
    picture = draw_discs((100, 120), [(30, 30), (30, 80)], 9)
    d = drive(picture)
    panel: Any = d.dock.measure_panel
    QTest.mouseClick(d.dock.automatic_panel.run, LEFT)
    d.until(lambda: not d.dock.automatic.work.busy)
    assert not panel.compare.isEnabled()
    truth = np.zeros(picture.shape, np.uint8)
    truth[:, :60] = (picture > 0)[:, :60]
    truth[80:90, 80:90] = 2
    d.viewer.add_labels(truth, name="mine")
    next(s for s in d.dock.sections if s.body is panel).header.setChecked(True)
    assert panel.truth.currentText() == "Truth: mine"
    QTest.mouseClick(panel.compare, LEFT)
    d.until(lambda: d.dock.measuring.scores is not None)
    said = panel.figures.toolTip()
    assert said.startswith("AP@0.5 0.333 · mSA 0.333 · F1 0.500 · precision 0.500")
    assert said.endswith("2 found, 2 expected")


def test_figures_are_written_out() -> None:
    shown = {1430.0: "1430", 1234567.8: "1234568", 42.6252: "42.6", 0.9734: "0.973", 2e-5: "0"}
    table = _Columns()
    table.show({"area_px2": list(shown)})
    texts = [table.data(table.index(row, 0)) for row in range(len(shown))]
    assert texts == list(shown.values())


def test_frames_are_no_planes_and_channels_of_an_axis_are_measured(bench: Bench) -> None:
    stack = np.stack([draw_discs((100, 120), [(30, 30)], 6 + 4 * t) for t in range(3)])
    axes = StackAxes(bench.session)
    measuring = Measuring(bench.session, bench.commits.labels, None, axes)
    bench.open(stack)
    labels = bench.viewer.add_labels((stack > 0).astype(np.uint8))
    bench.commits.labels.choose(labels)
    measuring.measure()
    assert measuring.deep and measuring.columns["planes"] == [3]
    axes.choose(0, "T")
    measuring.measure()
    assert not measuring.deep and measuring.columns["t"] == [0, 1, 2]
    axes.choose(0, "C")
    flat = bench.viewer.add_labels(labels.data[:1])
    bench.commits.labels.choose(flat)
    measuring.measure()
    assert measuring.columns["label"] == [1] and measuring.columns["intensity_mean_Channel 0"] == [
        stack[0][stack[0] > 0].mean()
    ]
