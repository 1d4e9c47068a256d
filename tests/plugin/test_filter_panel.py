"""Sliders, presets and places of automatic masks, pressed in the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QComboBox, QFileDialog, QInputDialog, QMessageBox

from napari_sam_onnx.plugin.panels.automatic.filter_panel import TITLE
from napari_sam_onnx.records.presets import (
    Preset,
    delete_preset,
    find_preset,
    list_presets,
    presets_file,
    read_presets,
    save_preset,
    write_presets,
)
from tests.fakes import draw_discs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.driver import Driver

CENTERS, RADII = ((20, 20), (20, 60), (70, 30), (70, 90)), (5, 8, 11, 14)
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path))


def draw() -> np.ndarray:
    discs = [draw_discs((100, 120), [c], r) for c, r in zip(CENTERS, RADII, strict=True)]
    return np.max(discs, axis=0)


def run(d: Driver) -> Any:
    panel = d.dock.automatic_panel
    QTest.mouseClick(panel.run, LEFT)
    d.until(lambda: not d.dock.automatic.work.busy)
    panel.filters.header.setChecked(True)
    panel._places.header.setChecked(True)
    return panel


def press(slider: Any, key: Any, times: int = 1) -> None:
    for _ in range(times):
        QTest.keyClick(slider, key)


def type_in(number: Any, value: float) -> None:
    number.selectAll()
    QTest.keyClicks(number, f"{value:g}")
    QTest.keyClick(number, Qt.Key.Key_Return)


def test_sliders_filter_what_is_shown_in_micrometres(drive: Callable[..., Driver]) -> None:
    d = drive(draw(), scale=(0.5, 0.5), units=("um", "um"))
    panel = run(d)
    limits, shown = panel.filter.limits, panel.filter.count
    assert shown.text() == "4 of 4 objects shown"
    assert limits["min_diameter"].title.text().startswith("Least diameter (µm)")
    for limit in limits.values():  # none is cut
        assert limit.title.fontMetrics().horizontalAdvance(limit.title.text()) <= TITLE - 8
    slider = limits["min_diameter"].slider
    press(slider, Qt.Key.Key_End)
    number = limits["min_diameter"].number
    assert number.value() == pytest.approx(14, abs=0.3) and len(d.ids) == 1
    assert shown.text() == "1 of 4 objects shown"
    press(slider, Qt.Key.Key_Home)
    assert len(d.ids) == 4
    type_in(number, 10)  # 20 px
    assert len(d.ids) == 2
    upper = limits["max_diameter"].slider
    press(upper, Qt.Key.Key_Home)
    assert len(d.ids) == 2  # 0 sets no limit
    type_in(limits["max_diameter"].number, 12.5)
    assert len(d.ids) == 1
    QTest.mouseClick(panel.filter.reset, LEFT)
    assert len(d.ids) == 4 and slider.value() == 0 and upper.value() == upper.maximum()


def test_a_corrected_object_stays_and_the_count_is_live(drive: Callable[..., Driver]) -> None:
    d = drive(draw())
    panel = run(d)
    d.move(20, 20)
    d.press(Qt.Key.Key_K)
    assert len(d.ids) == 3
    press(panel.filter.limits["min_solidity"].slider, Qt.Key.Key_PageUp)
    assert len(d.ids) == 3
    press(panel.filter.limits["min_solidity"].slider, Qt.Key.Key_Home)
    assert len(d.ids) == 3 and not d.labels[20, 20]
    d.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert len(d.ids) == 4


def choose(combo: QComboBox, text: str) -> None:
    combo.setCurrentText(text)
    combo.activated.emit(combo.currentIndex())


def test_presets_are_saved_asked_about_and_taken(
    drive: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    d = drive(draw())
    panel = run(d)
    yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
    asked: list[str] = []
    answers = [no, yes, yes]

    def answer(parent: Any, title: str, text: str) -> Any:
        asked.append(text)
        return answers.pop(0)

    monkeypatch.setattr(QMessageBox, "question", answer)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("large nuclei", True))
    type_in(panel.filter.limits["min_diameter"].number, 20)
    QTest.mouseClick(panel.presets.save, LEFT)
    assert find_preset("large nuclei").settings["min_diameter"] == pytest.approx(20)
    assert not asked and panel.presets.combo.currentText() == "large nuclei"
    type_in(panel.filter.limits["min_diameter"].number, 25)
    for kept in (20, 25):  # no, then yes
        QTest.mouseClick(panel.presets.save, LEFT)
        settings = find_preset("large nuclei").settings
        assert settings["min_diameter"] == pytest.approx(kept, abs=0.1)
    assert asked == ["Replace the preset “large nuclei”?"] * 2
    QTest.mouseClick(panel.filter.reset, LEFT)
    panel.presets.combo.setCurrentIndex(1)
    panel.presets.combo.activated.emit(1)
    assert len(d.ids) == 1  # what there is
    run(d)
    assert len(d.ids) == 1  # and what is made next
    path, combo = tmp_path / "large.json", panel.presets.combo
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    choose(combo, "Save as a file …")
    assert read_presets(path) == list_presets() and combo.currentText() == "large nuclei"
    write_presets(path, [Preset("large nuclei", None, {"diameter": 9.0}), Preset("yeast")])
    answers[:] = [no]
    choose(combo, "Open a file …")
    assert [one.name for one in list_presets()] == ["large nuclei", "yeast"]
    assert find_preset("large nuclei").settings["min_diameter"] == pytest.approx(25, abs=0.1)
    assert combo.currentText() == "large nuclei" and "Presets from large.json: “yeast”" in d.said
    delete_preset("yeast")
    save_preset(Preset("small", None, {"diameter": 9.0}))
    panel.presets.reload()
    choose(combo, "small")
    assert panel.form.values["diameter"] == pytest.approx(9)
    d.viewer.add_image(draw(), name="other", scale=(0.5, 0.5), units=("um", "um"))
    d.until(lambda: d.session.picture.main.name == "other")
    assert combo.currentText() == "small"
    assert panel.form.values["diameter"] == pytest.approx(4.5)  # µm
    delete_preset("small")
    d.viewer.layers.remove("other")
    d.session.choose_layer(d.picture)
    panel.presets.reload("large nuclei")
    path.write_text("{}")
    choose(combo, "Open a file …")
    assert "holds no presets" in d.said
    answers[:] = [yes]
    QTest.mouseClick(panel.presets.delete, LEFT)
    assert not list_presets() and panel.presets.combo.itemText(1) == "Open a file …"
    run(d)
    assert len(d.ids) == 4


def test_a_broken_file_of_presets_is_said(drive: Callable[..., Driver]) -> None:
    presets_file().parent.mkdir()
    presets_file().write_text("{")
    d = drive(draw())
    d.dock.automatic_panel.presets.reload()
    assert "cannot be read" in d.said


def test_the_diameter_is_asked_for_in_micrometres(drive: Callable[..., Driver]) -> None:
    d = drive(draw(), scale=(0.5, 0.5), units=("um", "um"))
    panel = d.dock.automatic_panel
    field = panel.form.fields["diameter"]
    assert field.label == "Object diameter (µm)" and panel._read_settings() == (None, {})
    field.value = 12
    assert panel._read_settings() == (None, {"diameter": 24.0})


def test_inside_a_shape_and_into_gaps(drive: Callable[..., Driver]) -> None:
    d = drive(draw())
    panel = d.dock.automatic_panel
    mine = np.zeros((100, 120), np.uint16)
    mine[5:35, 5:35] = 3
    d.viewer.add_labels(mine.copy(), name="mine")
    d.viewer.add_shapes([[(0, 0), (0, 80), (50, 80), (50, 0)]], name="here")
    assert [panel.where.inside.itemText(i) for i in range(2)] == ["Everywhere", "here"]
    panel.where.inside.setCurrentIndex(1)
    panel.where.into.setCurrentIndex(panel.where.into.findText("Gaps of mine"))
    run(d)
    assert d.ids == [3, 4] and d.labels[20, 60] == 4 and (d.labels == 3).sum() == 900
    d.viewer.layers.remove("here")
    assert panel.where.inside.currentText() == "Everywhere"
    panel.where.keep.click()
    run(d)
    assert d.ids == [3, 4, 5, 6]
