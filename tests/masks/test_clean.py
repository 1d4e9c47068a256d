import numpy as np
import pytest
from scipy import ndimage

from napari_sam_onnx.masks.clean import clean_small_regions
from napari_sam_onnx.masks.mask import Mask
from tests.automatic.reference import drop_small


def test_small_holes_are_filled_and_small_islands_removed():
    plane = np.zeros((30, 30), bool)
    plane[5:20, 5:20] = True
    plane[10:12, 10:12] = False  # a hole of 4
    plane[25, 25] = True  # an island of 1
    mask, changed = clean_small_regions(Mask.from_array(plane), 5)
    assert changed
    assert mask.bbox == (5, 5, 20, 20)
    assert mask.area == 225


def test_a_bay_at_the_crops_edge_is_no_hole():
    plane = np.zeros((10, 10), bool)
    plane[2:8, 2:8] = True
    plane[2, 4] = False
    mask, changed = clean_small_regions(Mask.from_array(plane), 5)
    assert not changed
    np.testing.assert_array_equal(np.asarray(mask), plane)


def test_where_every_island_is_small_the_largest_stays():
    plane = np.zeros((10, 10), bool)
    plane[1, 1:4] = plane[6, 6] = True
    mask, changed = clean_small_regions(Mask.from_array(plane), 50)
    assert changed
    assert mask.bbox == (1, 1, 2, 4)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("min_area", [1, 6, 25, 120])
def test_cleaning_the_crop_is_cleaning_the_plane(seed, min_area):
    """Objects cross the edges of narrow planes, where the background falls apart into holes."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(8, 40, 2))
    field = ndimage.gaussian_filter(rng.normal(size=shape), 1.2)
    plane = np.zeros(shape, bool)
    y, x = rng.integers(0, 6, 2)
    plane[y : shape[0] - rng.integers(0, 4), x : shape[1] - rng.integers(0, 4)] = True
    plane &= field > -0.15
    filled, hollow = drop_small(plane, min_area, "holes")
    expected, scattered = drop_small(filled, min_area, "islands")
    mask, changed = clean_small_regions(Mask.from_array(plane), min_area)
    np.testing.assert_array_equal(np.asarray(mask), expected)
    assert changed == (hollow or scattered)
    rows, columns = np.nonzero(expected)
    assert mask.bbox == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)


def test_an_empty_mask_stays_empty():
    mask, changed = clean_small_regions(Mask((5, 5), (0, 0), np.zeros((0, 0), bool)), 100)
    assert not mask and not changed
