"""Presets are kept by name in the user's own folder, and never replaced unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.records.presets import (
    Preset,
    PresetError,
    delete_preset,
    find_preset,
    list_presets,
    presets_file,
    read_presets,
    save_preset,
    write_presets,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path))


def test_kept_replaced_only_when_told_and_deleted(tmp_path: Path) -> None:
    assert list_presets() == []
    first = Preset(" yeast ", "objects", {"min_rating": 0.4, "min_circularity": 0.8})
    save_preset(first)
    save_preset(Preset("Bacteria", None, {"diameter": 12.0}))
    assert [preset.name for preset in list_presets()] == ["Bacteria", "yeast"]
    assert find_preset("yeast") == first and presets_file().parent == tmp_path / "config"
    with pytest.raises(PresetError, match="already"):
        save_preset(Preset("yeast"))
    save_preset(Preset("yeast"), overwrite=True)
    assert find_preset("yeast").settings == {}
    delete_preset("yeast")
    with pytest.raises(PresetError, match="there are Bacteria"):
        find_preset("yeast")


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 81])
def test_names_are_one_line(name: str) -> None:
    with pytest.raises(PresetError, match="name of one line"):
        Preset(name)


def test_settings_are_checked() -> None:
    with pytest.raises(PresetError, match="mode"):
        Preset("a", "nothing")
    with pytest.raises(ParameterError, match="min_rating lies"):
        Preset("a", "objects", {"min_rating": 2})
    with pytest.raises(ParameterError, match="max_fraction lies"):
        Preset("a", None, {"max_fraction": 2})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ('{"format": 9}', "of another version"),
        ('{"format": 1, "presets": {"a": {"mode": "nothing"}}}', "cannot be used"),
        ('{"format": 1}', "cannot be used"),
        ('{"format": 1, "presets": {"a": 3}}', "cannot be used"),
    ],
)
def test_files_that_are_no_presets_are_refused(text: str, words: str) -> None:
    presets_file().parent.mkdir()
    presets_file().write_text(text)
    with pytest.raises(PresetError, match=words):
        list_presets()


def test_a_file_takes_them_to_another_computer(tmp_path: Path) -> None:
    path = tmp_path / "colleague" / "H&E.json"
    nuclei, yeast = Preset("H&E", None, {"diameter": 34.0}), Preset("yeast", "objects")
    write_presets(path, [nuclei])
    assert read_presets(path) == [nuclei] and find_preset(str(path)) == nuclei
    assert list_presets() == []
    write_presets(path, [yeast, nuclei])
    with pytest.raises(PresetError, match=r"one preset and holds 2 \(H&E, yeast\)"):
        find_preset(str(path))
    with pytest.raises(PresetError, match="There is no file"):
        find_preset(str(tmp_path / "none.json"))
    path.write_text("[]")
    with pytest.raises(PresetError, match="holds no presets"):
        read_presets(path)
