"""Speeds: measured by running, kept per model, never in the way when the memory is damaged."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store import speed as module
from napari_sam_onnx.models.store.speed import (
    SIDE,
    Speed,
    measure_speed,
    read_speeds,
    remember_speed,
)
from tests.fakes import ComponentModel

if TYPE_CHECKING:
    from pathlib import Path


class SlowModel(ComponentModel):
    """Takes 60 ms to encode, 20 ms to decode, and ten times that for the first of each."""

    def encode(self, image: Any) -> Any:
        assert image.shape == (SIDE, SIDE, 3)
        time.sleep(0.06 if self.encoded else 0.6)
        return super().encode(image)

    def decode(self, embedding: Any, prompts: Any) -> Any:
        assert len(prompts) == 1
        time.sleep(0.02 if self.decoded else 0.2)
        return super().decode(embedding, prompts)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_first_runs_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ComponentModel, "encode", _count("encoded"))
    monkeypatch.setattr(ComponentModel, "decode", _count("decoded"))
    measured = measure_speed(SlowModel())
    assert 60 <= measured.encode_ms < 600
    assert 20 <= measured.decode_ms < 200


def test_a_slow_encoder_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLOW", 0.0)
    model = ComponentModel()
    measure_speed(model)
    assert model.encoded == 1


def test_speeds_are_kept_by_model_and_forgotten(home: Path) -> None:
    assert read_speeds() == {}
    remember_speed("a", Speed(12.5, 0.5, "cpu, 1 thread"))
    remember_speed("b", Speed(1, 2))
    remember_speed("a", Speed(10, 0.4, "cpu, 1 thread"))
    assert read_speeds() == {"a": Speed(10, 0.4, "cpu, 1 thread"), "b": Speed(1, 2, "")}
    remember_speed("a", None)
    assert set(read_speeds()) == {"b"}


@pytest.mark.parametrize("content", ["", "[]", '{"a": {"encode_ms": "x"}}', '{"a": 3}', "\x00"])
def test_a_damaged_memory_counts_as_none(home: Path, content: str) -> None:
    home.mkdir()
    (home / "speeds.json").write_text(content)
    assert read_speeds() == {}
    remember_speed("b", Speed(1, 2))
    assert read_speeds() == {"b": Speed(1, 2, "")}


def test_a_folder_that_cannot_be_made_is_said(home: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="cannot be written"):
        remember_speed("a", Speed(1, 2))


def _count(name: str) -> Any:
    """A method that counts its calls and answers with no logits."""

    def method(self: Any, *_: Any) -> Any:
        setattr(self, name, getattr(self, name) + 1)
        return SimpleNamespace(logits=())

    return method
