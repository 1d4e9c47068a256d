"""Planes in a model's frame, there and back."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from napari_sam_onnx.embedding import LowResMask
from napari_sam_onnx.models.onnx.contracts.detect import Contract
from napari_sam_onnx.models.onnx.contracts.families import DECODERS, ENCODERS
from napari_sam_onnx.models.onnx.framing.frame import (
    Frame,
    find_frame,
    longest_side_shape,
    resample_mask,
    resized_shape,
)
from napari_sam_onnx.models.onnx.framing.preprocess import resize_bilinear

PEBBLE = Contract(ENCODERS["EP"], DECODERS["P"], MappingProxyType({}))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1500, 2250), (683, 1024)),
        ((480, 640), (768, 1024)),
        ((1024, 1024), (1024, 1024)),
        ((3, 4000), (1, 1024)),
        ((5000, 1), (1024, 1)),
        ((1, 1), (1024, 1024)),
    ],
)
def test_the_longest_side_is_scaled_and_the_other_rounded(shape, expected):
    assert longest_side_shape(shape, 1024) == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((256, 300), (512, 600)),
        ((512, 40), (1024, 80)),
        ((513, 40), (513, 40)),
        ((2048, 1000), (2048, 1000)),
        ((2049, 1000), (2048, 1000)),
        ((4096, 1000), (2048, 500)),
    ],
)
def test_pebble_doubles_small_planes_and_shrinks_large_ones(shape, expected):
    assert resized_shape(ENCODERS["EP"], shape) == expected


def test_coordinates_swap_axes_and_scale():
    frame = Frame(np.array([2.0, 4.0]), False, np.zeros(4, np.float32))
    np.testing.assert_allclose(frame.points_to_frame(np.array([[3.0, 5.0]])), [[20.0, 6.0]])
    centred = Frame(np.array([2.0, 4.0]), True, np.zeros(4, np.float32))
    # The centre of pixel 0 is 0.5 from the corner: at twice the size 1.0, the centre of 0.5.
    np.testing.assert_allclose(centred.points_to_frame(np.array([[0.0, 0.0]])), [[1.5, 0.5]])
    np.testing.assert_allclose(
        centred.points_to_plane(centred.points_to_frame(np.array([[3.0, 5.0]]))), [[3.0, 5.0]]
    )


def test_windows_go_there_and_back():
    frame = Frame(np.array([2.0, 4.0]), True, np.zeros(4, np.float32))
    window = np.array([[1, 2, 3, 5]], np.float32)
    np.testing.assert_allclose(frame.windows_to_frame(window), [[8, 2, 20, 6]])
    np.testing.assert_allclose(frame.windows_to_plane(frame.windows_to_frame(window)), window)


def test_a_padded_frame_reaches_beyond_the_plane_and_a_squashed_one_does_not():
    encoder = ENCODERS["E1"]
    contract = Contract(encoder, DECODERS["A"], MappingProxyType({}))
    padded = find_frame(contract, (500, 1000), (512, 1024))
    np.testing.assert_allclose(padded.window, [0, 0, 1000, 1000])
    contract = Contract(ENCODERS["E13"], DECODERS["J"], MappingProxyType({}))
    squashed = find_frame(contract, (500, 1000), (1024, 1024))
    np.testing.assert_allclose(squashed.window, [0, 0, 500, 1000])
    np.testing.assert_allclose(squashed.scale, [2.048, 1.024])


def test_pebbles_frame_follows_the_resized_plane():
    np.testing.assert_allclose(find_frame(PEBBLE, (100, 200), (200, 400)).scale, [2, 2])
    np.testing.assert_allclose(find_frame(PEBBLE, (800, 900), (800, 900)).scale, [1, 1])


def test_a_mask_in_its_own_window_is_handed_on_untouched():
    logits = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    mask = LowResMask(logits, np.array([1, 2, 9, 10], np.float32))
    assert resample_mask(mask, mask.window, 8) is logits


def test_a_resampled_mask_is_bilinear_inside_and_background_outside():
    slope = np.tile(np.arange(8, dtype=np.float32), (8, 1))  # value = x of the cell
    mask = LowResMask(slope, np.array([0, 0, 16, 16], np.float32))
    shown = resample_mask(mask, np.array([0, 4, 16, 20], np.float32), 16)
    x = 4 + (np.arange(16) + 0.5)
    np.testing.assert_allclose(shown[3, x < 15], x[x < 15] / 2 - 0.5, atol=1e-5)
    assert (shown[:, x > 16] == -10).all()


def test_resizing_keeps_flat_colours_and_fractions_where_wanted():
    plane = np.zeros((40, 60, 3), np.uint8)
    plane[:, 30:] = (255, 1, 2)
    rounded = resize_bilinear(plane, (20, 30))
    exact = resize_bilinear(plane, (20, 30), exact=True)
    assert rounded.dtype == np.uint8 and exact.dtype == np.float32
    np.testing.assert_array_equal(rounded[5, [0, -1]], [[0, 0, 0], [255, 1, 2]])
    assert np.abs(exact - rounded).max() <= 0.5
    assert resize_bilinear(plane, (40, 60)) is plane
