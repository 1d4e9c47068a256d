"""Classes by real keys and clicks: made in the dock, given, counted, and in a recipe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QColorDialog, QFileDialog
from typer.testing import CliRunner

from napari_sam_onnx.cli.app import app
from napari_sam_onnx.labels.classes import ObjectClass
from napari_sam_onnx.plugin.layers.classes import read_layer_classes
from napari_sam_onnx.plugin.panels.prompts.class_panel import _describe
from tests.fakes import ComponentModel
from tests.plugin.conftest import CENTERS
from tests.plugin.driver import CONTROL, LEFT
from tests.plugin.test_hands import focus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.plugin.driver import Driver


def test_classes_by_keys_brush_and_list(
    drive: Callable[..., Driver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    d = drive()
    panel, classes = d.dock.class_panel, d.dock.classes
    section = next(s for s in d.dock.sections if s.body is panel)
    assert not section.header.isChecked() and panel._more.isHidden()
    section.header.setChecked(True)
    for name in ("cell", "cell/mitotic"):
        QTest.keyClicks(panel.name, name)
        QTest.keyClick(panel.name, Qt.Key.Key_Return)
    rows = panel.rows
    texts = [[rows.topLevelItem(n).text(c) for c in (0, 1)] for n in range(3)]
    assert texts == [["no class", "Ctrl+0"], ["cell", "Ctrl+1"], ["    mitotic", "Ctrl+2"]]

    def row(number: int) -> None:
        spot = rows.visualItemRect(rows.topLevelItem(number)).center()
        QTest.mouseClick(rows.viewport(), LEFT, pos=spot)

    assert not d.said.startswith("There is nothing to accept")
    row(1)
    d.click(*CENTERS[0])
    d.press(Qt.Key.Key_N)
    d.click(*CENTERS[1])
    d.press(Qt.Key.Key_2, CONTROL)
    d.click(*CENTERS[2])
    d.press(Qt.Key.Key_0, CONTROL)
    layer = d.commits.labels.layer
    assert d.ids == [1, 2, 3] and read_layer_classes(layer) == {1: "cell", 2: "cell/mitotic"}
    d.until(lambda: [rows.topLevelItem(n).text(2) for n in range(3)] == ["1", "1", "1"])
    d.move(*CENTERS[2])
    row(0)
    focus(rows)
    QTest.keyClick(rows, Qt.Key.Key_1, CONTROL)  # goes on to the canvas
    d.settle()
    assert read_layer_classes(layer)[3] == "cell"
    row(2)
    d.press(Qt.Key.Key_C)
    assert panel.brush.isChecked() and "Class brush" in d.said
    d.click(*CENTERS[2])
    d.drag(CENTERS[0], CENTERS[1], keys=Qt.KeyboardModifier.NoModifier)
    assert read_layer_classes(layer) == dict.fromkeys((1, 2, 3), "cell/mitotic")
    d.press(Qt.Key.Key_Z, CONTROL)
    assert read_layer_classes(layer) == {1: "cell", 2: "cell/mitotic", 3: "cell/mitotic"}
    d.press(Qt.Key.Key_Escape)
    assert d.gestures_idle

    path = tmp_path / "recipe.json"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    QTest.mouseClick(d.dock.prompt_panel.recipe, LEFT)
    assert [one["name"] for one in json.loads(path.read_text())["classes"]] == texts_of(classes)
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.replay.load_model", lambda _: ComponentModel()
    )
    source, out, table = (tmp_path / name for name in ("in.tif", "out.tif", "classes.csv"))
    tifffile.imwrite(source, np.asarray(d.picture.data))
    arguments = ["replay", str(path), str(source), "-o", str(out), "--classes", str(table)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(tifffile.imread(out), np.asarray(d.labels))
    assert table.read_text().splitlines()[1:] == ["1,cell", "2,cell/mitotic", "3,cell/mitotic"]
    result = CliRunner().invoke(app, [*arguments[:-3], str(tmp_path / "b.tif"), *arguments[-2:]])
    assert "classes.csv exists" in str(result.exception)

    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor("#123456"))
    spot = rows.visualItemRect(rows.topLevelItem(1)).center()
    QTest.mouseClick(rows.viewport(), LEFT, pos=spot)
    QTest.mouseDClick(rows.viewport(), LEFT, pos=spot)
    assert classes.listed[0].color == "#123456"
    listed = tmp_path / "classes.yaml"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(listed), ""))
    QTest.mouseClick(panel.save, LEFT)
    listed.write_text(listed.read_text() + "- debris\n")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(listed), ""))
    QTest.mouseClick(panel.load, LEFT)
    assert texts_of(classes) == ["cell", "cell/mitotic", "debris"]
    row(3)
    QTest.mouseClick(panel.remove, LEFT)
    assert texts_of(classes) == ["cell", "cell/mitotic"]


def texts_of(classes: object) -> list[str]:
    return [one.name for one in classes.listed]  # type: ignore[attr-defined]


def test_a_class_is_indented_only_under_those_that_it_is_within() -> None:
    cell, mitotic, worn = map(ObjectClass, ("cell", "cell/mitotic", "tip/worn"))
    texts = [_describe(*case)[1] for case in ((cell, 1, None), (mitotic, 2, cell), (worn, 3, cell))]
    assert texts == ["cell", "    mitotic", "tip/worn"]
