"""Outlines keep holes and pieces; filled again they are the mask."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.ndimage import label as label_parts
from shapely.geometry import Polygon

from napari_sam_onnx.masks.outlines import fill_rings, join_rings, trace_pieces

RING = np.ones((7, 9), bool)
RING[2:5, 3:6] = False
RING[3, 4] = True  # an island in the hole


def rings_of(pieces):
    return [ring for piece in pieces for ring in piece.rings]


@pytest.mark.parametrize("seed", range(6))
def test_an_outline_gives_its_mask_again(seed):
    rng = np.random.default_rng(seed)
    mask = gaussian_filter(rng.random((40, 50)), 1.2) > 0.5
    pieces = trace_pieces(mask)
    np.testing.assert_array_equal(fill_rings(rings_of(pieces), mask.shape), mask)
    np.testing.assert_array_equal(fill_rings([join_rings(pieces)], mask.shape), mask)
    assert len(pieces) == label_parts(mask)[1]


def test_polygons_are_valid_and_have_the_area_of_the_mask():
    rng = np.random.default_rng(7)
    mask = rng.random((30, 30)) > 0.45  # many pixels that touch at a corner
    total = 0.0
    for piece in trace_pieces(mask):
        polygon = Polygon(piece.outer, piece.holes)
        assert all(Polygon(ring).area > 0 for ring in piece.rings)
        total += polygon.area
    assert total == mask.sum()


def test_holes_and_pieces_are_told_apart():
    first, second = trace_pieces(RING, origin=(10, 20))
    assert len(first.holes) == 1 and not second.holes
    assert first.outer.min(axis=0).tolist() == [10, 20]
    assert first.outer.max(axis=0).tolist() == [17, 29]
    assert len(first.outer) == 4  # corners alone
    assert second.outer.min(axis=0).tolist() == [13, 24]
    assert trace_pieces(np.zeros((3, 3), bool)) == []


def test_a_tolerance_takes_corners_away_and_keeps_the_object():
    y, x = np.mgrid[:60, :60]
    disc = (y - 30) ** 2 + (x - 30) ** 2 < 25**2
    exact, rough = trace_pieces(disc)[0].outer, trace_pieces(disc, tolerance=1.0)[0].outer
    assert len(rough) < len(exact) / 3
    filled = fill_rings([rough], disc.shape)
    assert (filled & disc).sum() / (filled | disc).sum() > 0.95
    pixel = trace_pieces(np.ones((1, 1), bool), tolerance=5)[0].outer
    assert len(pixel) == 4  # what would vanish stays as it is
