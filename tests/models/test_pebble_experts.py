"""The embedded model holds two, and takes the one that suits a picture."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import napari_sam_onnx as nso
from napari_sam_onnx.models.onnx.runtime import Session
from napari_sam_onnx.models.store.catalog import find_card

if TYPE_CHECKING:
    from types import ModuleType

SPACING, RADIUS, HALF, TILT = 8.0, 3.5, 12.5, np.deg2rad(25)
WHICH = 48  # channel of the context that says which one answered
LEVELS = ("detail", "features", "context", "extent")


def draw_colony() -> tuple[np.ndarray, np.ndarray]:
    """Draw dark rods, side by side with a bright halo around all: picture and labels."""
    labels = np.zeros((240, 300), np.int32)
    y, x = np.indices(labels.shape)
    along = (x - 150) * np.cos(TILT) + (y - 120) * np.sin(TILT)
    across = (y - 120) * np.cos(TILT) - (x - 150) * np.sin(TILT)
    number = 0
    for row in range(-7, 8):
        for column in range(-2, 3):
            middle = column * 34 + row % 2 * 15
            if np.hypot(row * SPACING, middle) < 80:
                number += 1
                beyond = np.maximum(abs(along - middle) - HALF, 0)
                labels[np.hypot(across - row * SPACING, beyond) <= RADIUS] = number
    inside = (labels > 0).astype(float)
    halo = gaussian_filter(inside, 8) * (1 - gaussian_filter(inside, 1))
    gray = 160 - 90 * gaussian_filter(inside, 1.6) + 60 * halo
    gray += np.random.default_rng(0).normal(0, 3, gray.shape)
    return gray.clip(0, 255).astype(np.uint8), labels


def draw_nuclei() -> np.ndarray:
    """Draw bright blurred discs of several sizes on a dark ground."""
    y, x = np.indices((256, 256))
    rng = np.random.default_rng(1)
    gray = np.full(y.shape, 14.0)
    for cy in range(30, 256, 50):
        for cx in range(30, 256, 50):
            apart = np.hypot(y - cy - rng.uniform(-6, 6), x - cx - rng.uniform(-6, 6))
            gray += rng.uniform(60, 150) / (1 + np.exp((apart - rng.uniform(10, 16)) / 1.5))
    return (gray + rng.normal(0, 3, gray.shape)).clip(0, 255).astype(np.uint8)


def count_found(truth: np.ndarray, labels: np.ndarray) -> int:
    """Count the true objects that one label covers with an IoU above 0.5."""
    both = np.histogram2d(
        truth.ravel(),
        labels.ravel(),
        bins=(np.arange(truth.max() + 2), np.arange(labels.max() + 2)),
    )[0]
    union = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    return int(((both / union.clip(1))[1:, 1:].max(1, initial=0) > 0.5).sum())


def in_colour(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[..., None], 3, axis=2)


PICTURES = {"first": in_colour(draw_nuclei()), "second": in_colour(draw_colony()[0])}


@pytest.fixture(scope="module")
def mixture() -> ModuleType:
    """Load the script of the training that joins two pairs into one."""
    path = Path(__file__).parents[2] / "training" / "mixture.py"
    spec = importlib.util.spec_from_file_location("mixture", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder() -> Path:
    path = find_card("pebble").files[0].path
    assert path is not None
    return path.parent


def run(folder: Path, picture: np.ndarray) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Encode a picture and decode three clicks and a box by the files alone."""
    encoder, decoder = (
        Session(folder / name, threads=1) for name in ("encoder.onnx", "decoder.onnx")
    )
    maps = encoder.run({"image": picture})
    asked: dict[str, Any] = {
        "point_coords": np.array(
            [[[60, 60], [0, 0]], [[160, 150], [0, 0]], [[100, 90], [130, 140]]], np.float32
        ),
        "point_labels": np.array([[1, -1], [1, -1], [2, 3]], np.float32),
        "mask_input": np.zeros((3, 1, 48, 48), np.float32),
        "mask_window": np.zeros((3, 4), np.float32),
        "has_mask_input": np.zeros(3, np.float32),
    }
    answers = decoder.run({name: maps[name] for name in LEVELS} | asked)
    encoder.close()
    decoder.close()
    return maps, list(answers.values())


def test_packed_rods_are_told_apart() -> None:
    picture, truth = draw_colony()
    model = nso.load_model("pebble", threads=1)
    labels = nso.automask(picture, model)
    model.close()
    assert truth.max() == 63
    assert count_found(truth, labels) >= 58


@pytest.mark.parametrize(("which", "flag"), [("first", 0.0), ("second", 1.0)])
def test_the_one_that_suits_answers_as_it_does_alone(
    which: str, flag: float, mixture: ModuleType, folder: Path, tmp_path: Path
) -> None:
    mixture.part(folder, which, tmp_path)
    maps, answers = run(folder, PICTURES[which])
    alone, expected = run(tmp_path, PICTURES[which])
    np.testing.assert_array_equal(maps["context"][:, WHICH:], flag)
    maps["context"] = maps["context"][:, :WHICH]
    for name, values in alone.items():
        np.testing.assert_allclose(maps[name], values, atol=1e-5)
    for got, wanted in zip(answers, expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-3)


def test_the_other_one_would_have_taken_rods_for_clumps(
    mixture: ModuleType, folder: Path, tmp_path: Path
) -> None:
    mixture.part(folder, "first", tmp_path)
    picture, truth = draw_colony()
    with_first = nso.load_model((tmp_path / "encoder.onnx", tmp_path / "decoder.onnx"), threads=1)
    labels = nso.automask(picture, with_first)
    with_first.close()
    assert count_found(truth, labels) < 30


def test_both_files_are_small(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.glob("*.onnx")) < 16e6


def test_a_joined_pair_is_made_of_its_parts_again(
    mixture: ModuleType, folder: Path, tmp_path: Path
) -> None:
    for which in ("first", "second"):
        mixture.part(folder, which, tmp_path / which)
    level = "/encoder/s4/s4.1/Relu_output_0"
    for bias, which in ((-1.0, "first"), (1.0, "second")):
        gate = mixture.Gate((level,), np.zeros(64, np.float32), bias)
        mixture.join(tmp_path / "first", tmp_path / "second", gate, tmp_path / "joined")
        for picture in PICTURES.values():
            maps, answers = run(tmp_path / "joined", picture)
            alone, expected = run(tmp_path / which, picture)
            np.testing.assert_allclose(maps["extent"], alone["extent"], rtol=1e-4)
            np.testing.assert_allclose(answers[1], expected[1], atol=1e-4)
