"""Overlays show every object, and nothing where there is none."""

import colorsys

import numpy as np
import pytest

from napari_sam_onnx.pictures.overlay import (
    arrange_montage,
    draw_overlay,
    find_outlines,
    label_colors,
)


@pytest.fixture
def labels():
    plane = np.zeros((12, 12), np.uint32)
    plane[1:5, 1:5] = 1
    plane[1:5, 5:9] = 7  # touches the first
    return plane


def test_background_is_untouched_and_objects_are_tinted(labels):
    rgb = np.full((12, 12, 3), 100, np.uint8)
    shown = draw_overlay(rgb, labels)
    assert (shown[labels == 0] == 100).all()
    assert (shown[labels == 1] != 100).any(axis=1).all()
    assert (rgb == 100).all()


def test_opacity_zero_leaves_outlines_alone(labels):
    rgb = np.full((12, 12, 3), 100, np.uint8)
    shown = draw_overlay(rgb, labels, opacity=0)
    edge = find_outlines(labels)
    assert (shown[~edge] == 100).all()
    assert (shown[edge] == label_colors(np.arange(8))[labels[edge]]).all()


def test_touching_objects_are_outlined_on_both_sides(labels):
    edge = find_outlines(labels)
    assert edge[2, 4]
    assert edge[2, 5]
    assert not edge[2, 2]
    assert not edge[labels == 0].any()


def test_an_object_that_fills_the_plane_has_no_outline():
    assert not find_outlines(np.ones((5, 6), int)).any()


def test_no_objects_and_one_pixel():
    rgb = np.full((1, 1, 3), 9, np.uint8)
    np.testing.assert_array_equal(draw_overlay(rgb, np.zeros((1, 1), int)), rgb)


def test_colours_differ_between_neighbouring_ids_and_are_bright():
    colors = label_colors(np.arange(301)).astype(int)
    assert (colors[0] == 0).all()
    assert (colors[1:].max(axis=1) > 240).all()
    assert (np.abs(np.diff(colors[1:], axis=0)).sum(axis=1) > 60).all()


def test_a_large_id_costs_no_more_than_a_small_one(labels, monkeypatch):
    made = []
    real = colorsys.hsv_to_rgb
    monkeypatch.setattr(colorsys, "hsv_to_rgb", lambda *hsv: (made.append(hsv), real(*hsv))[1])
    labels[labels == 7] = 300_000
    draw_overlay(np.zeros((12, 12, 3), np.uint8), labels)
    assert len(made) == 2
    ids = np.array([0, 5, 300_000, 2**32 - 1])
    np.testing.assert_array_equal(label_colors(ids)[1], label_colors(np.arange(6))[5])


@pytest.mark.parametrize(("count", "shape"), [(1, (4, 6)), (3, (12, 16)), (9, (20, 26))])
def test_montage(count, shape):
    planes = [np.full((4, 6, 3), i, np.uint8) for i in range(count)]
    sheet = arrange_montage(planes)
    assert sheet.shape == (*shape, 3)
    assert [int((sheet[..., 0] == i).sum()) for i in range(count)] == [24] * count
