"""What the embedded model's weights can do that earlier ones could not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from scipy.ndimage import gaussian_filter

import napari_sam_onnx as nso
from napari_sam_onnx.models.store.catalog import find_card

SPACING, RADIUS, HALF, TILT = 8.0, 3.5, 12.5, np.deg2rad(25)


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


def count_found(truth: np.ndarray, labels: np.ndarray) -> int:
    """Count the true objects that one label covers with an IoU above 0.5."""
    both = np.histogram2d(
        truth.ravel(),
        labels.ravel(),
        bins=(np.arange(truth.max() + 2), np.arange(labels.max() + 2)),
    )[0]
    union = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    return int(((both / union.clip(1))[1:, 1:].max(1, initial=0) > 0.5).sum())


def test_packed_rods_are_told_apart() -> None:
    picture, truth = draw_colony()
    model = nso.load_model("pebble", threads=1)
    labels = nso.automask(picture, model)
    model.close()
    assert truth.max() == 63
    assert count_found(truth, labels) >= 58


def test_one_click_takes_the_whole_of_a_flat_object() -> None:
    random = np.random.default_rng(0)
    y, x = np.indices((480, 640))
    segmenter = nso.Segmenter(nso.load_model("pebble", threads=1))
    found = []
    for _ in range(8):
        radius, flat = random.uniform(50, 120), random.uniform(0.7, 1.3)
        row, column = random.uniform(150, 330), random.uniform(200, 440)
        truth = ((y - row) * flat) ** 2 + ((x - column) / flat) ** 2 <= radius**2
        segmenter.set_image(np.where(truth, 215, 55).astype(np.uint8))
        mask = np.asarray(segmenter.segment(points=[(row + radius / 5, column + radius / 5)]))
        found.append((mask & truth).sum() / (mask | truth).sum())
    segmenter.model.close()
    assert min(found) > 0.9


def test_both_files_are_small() -> None:
    card = find_card("pebble")
    sizes = [file.path.stat().st_size for file in card.files if file.path is not None]
    assert len(sizes) == 2
    assert sum(sizes) < 16e6


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_weights_of_convolutions_cannot_overflow_sums_of_16_bits(name: str) -> None:
    folder = Path(nso.__file__).parent / "models" / "pebble"
    graph = onnx.load(folder / f"{name}.onnx").graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    made = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    convolutions = [n.input[1] for n in graph.node if n.op_type == "Conv"]
    weights = [values[made[name]] for name in convolutions if name in made]
    assert len(weights) > len(convolutions) / 2
    assert all(w.dtype == np.int8 for w in weights)
    assert max(np.abs(w.astype(int)).max() for w in weights) <= 64
