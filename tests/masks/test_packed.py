"""Packed masks come back as they were, and take less."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from napari_sam_onnx.masks.mask import Mask, measure_overlap
from napari_sam_onnx.masks.packed import PackedPixels, pack, unpack_small

rng = np.random.default_rng(0)


def disc(side):
    y, x = np.mgrid[:side, :side] - side / 2
    return y**2 + x**2 < (side / 2.5) ** 2


CROPS = [
    disc(200),
    ~disc(200),
    disc(1100),
    ~disc(1100),
    rng.random((33, 17)) > 0.5,
    np.ones((3, 5), bool),
    np.ones((1, 1), bool),
    np.zeros((0, 0), bool),
    disc(64)[::2, ::3],
    np.ones((1100, 1100), bool),
    np.zeros((1100, 1100), bool),
]


@pytest.mark.parametrize("crop", CROPS)
def test_masks_come_back(crop):
    mask = Mask((300, 300), (7, 9), crop, 0.9, 0.8, point=(1.0, 2.0))
    packed = pack(mask)
    assert isinstance(packed.pixels, PackedPixels)
    np.testing.assert_array_equal(packed.crop, crop)
    assert packed.crop.dtype == bool
    assert (packed.bbox, packed.predicted_iou, packed.point) == (mask.bbox, 0.9, (1.0, 2.0))
    assert (packed.area, bool(packed)) == (mask.area, bool(mask))


@pytest.mark.parametrize("crop", CROPS)
def test_rows_come_back_alone(crop):
    packed = pack(Mask((1200, 1200), (0, 0), crop)).pixels
    for start, stop in ((0, 0), (0, 1), (1, len(crop)), (len(crop) // 3, len(crop) // 2)):
        stop = min(max(start, stop), len(crop))
        np.testing.assert_array_equal(packed.unpack(start, stop), crop[start:stop])


def test_smooth_masks_take_a_fiftieth_and_rough_ones_an_eighth():
    smooth, rough = Mask.from_array(disc(1500)), Mask.from_array(rng.random((1100, 1100)) > 0.5)
    assert pack(smooth).pixels.nbytes < smooth.pixels.nbytes / 50
    assert pack(rough).pixels.nbytes <= rough.pixels.nbytes / 8


@pytest.mark.parametrize("sides", [(90, 61), (300, 133), (1300, 1101)])
def test_packed_masks_share_what_they_share(sides):
    masks = [
        Mask((2000, 2000), origin, disc(side))
        for origin, side in zip([(100, 90), (160, 143)], sides, strict=True)
    ]
    a, b = masks
    shared = int((np.asarray(a) & np.asarray(b)).sum())
    assert shared > 0
    assert measure_overlap(pack(a), pack(b)) == measure_overlap(pack(a), b) == shared


def test_a_packed_mask_is_a_mask_everywhere():
    mask = pack(Mask((900, 900), (5, 6), disc(800), 0.5))
    rated = replace(mask, rating=0.25)
    assert rated.pixels is mask.pixels  # what is said of a mask does not unpack it
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mask)).crop, disc(800))
    np.testing.assert_array_equal(np.asarray(mask)[5:805, 6:806], disc(800))


def test_small_masks_are_unpacked_and_large_ones_when_they_are_looked_at():
    small, large = (unpack_small(pack(Mask((2000, 2000), (0, 0), disc(n)))) for n in (200, 700))
    assert isinstance(small.pixels, np.ndarray)
    assert isinstance(large.pixels, PackedPixels)
    np.testing.assert_array_equal(small.crop, disc(200))
