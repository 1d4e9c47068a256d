"""Other keys: chosen in the dock, kept, refused where napari has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence

from napari_sam_onnx.plugin.keys import BINDINGS
from napari_sam_onnx.plugin.panels.prompts.key_panel import as_napari
from napari_sam_onnx.plugin.session.key_map import KeyMap, KeyTaken, show_key
from napari_sam_onnx.plugin.session.settings import Settings
from tests.plugin.conftest import CENTERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.driver import Driver

OURS = [key for binding in BINDINGS for key in binding.keys]


def test_keys_are_kept_and_refused_where_they_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    keys = KeyMap(Settings(path), OURS, ViewerModel())
    assert keys.key_of("N") == "N" and not keys.changed
    keys.choose("N", "G")
    again = KeyMap(Settings(path), OURS, ViewerModel())
    assert again.key_of("N") == "G" and again.changed
    again.choose("W", "N")  # it is free now
    for key, said in (
        ("Control-Z", "something else"),
        ("G", "something else"),
        ("nokey", "no key"),
    ):
        with pytest.raises(KeyTaken, match=said):
            again.choose("Q", key)
    for key in ("P", "Control-G", "A", "Delete"):
        with pytest.raises(KeyTaken, match="napari's own"):
            again.choose("Q", key)
    again.choose("W", "W")
    again.choose("N", "N")
    assert not again.changed
    again.choose("N", "Control-Shift-N")
    again.reset()
    assert again.key_of("N") == "N"


def test_none_of_the_usual_keys_is_napari_s() -> None:
    keys = KeyMap(Settings.__new__(Settings), (), ViewerModel())
    assert not [key for key in OURS if keys._is_napari(_coerce(key)) and key != "Escape"]


def _coerce(key: str) -> object:
    from napari.utils.key_bindings import coerce_keybinding

    return coerce_keybinding(key)


def test_keys_are_written_both_ways() -> None:
    assert as_napari("Ctrl+Shift+A") == "Control-Shift-A" and as_napari("G") == "G"
    assert as_napari("Shift++") == "Shift-+" and as_napari("-") == "-"
    assert show_key("Control-Shift-A") == "Ctrl+Shift+A" and show_key("-") == "-"


def test_another_key_is_chosen_in_the_dock(drive: Callable[..., Driver]) -> None:
    d = drive()
    panel = d.dock.key_panel
    assert panel.buttons["W"].text() == "W"
    panel.buttons["W"].click()
    assert panel.dialog is not None
    panel.dialog.edit.setKeySequence(QKeySequence("P"))
    assert "napari's own" in panel.dialog.said.text()
    panel.dialog.edit.setKeySequence(QKeySequence("G"))
    assert panel.buttons["W"].text() == "G" and panel.reset.isEnabled()
    d.click(*CENTERS[0])
    first = d.shown
    d.press(Qt.Key.Key_W)
    assert d.shown == first
    d.press(Qt.Key.Key_G)
    assert d.shown > first
    panel.reset.click()
    second = d.shown
    d.press(Qt.Key.Key_W)
    assert d.shown > second and panel.buttons["W"].text() == "W"
