"""Packed masks come back as they were, and take less."""

import numpy as np
import pytest

from napari_sam_onnx.automatic.kept.packed import pack, unpack_all
from napari_sam_onnx.masks.mask import Mask

rng = np.random.default_rng(0)


def disc(side):
    y, x = np.mgrid[:side, :side] - side / 2
    return y**2 + x**2 < (side / 2.5) ** 2


@pytest.mark.parametrize(
    "crop",
    [
        disc(200),
        ~disc(200),
        disc(1100),
        ~disc(1100),
        rng.random((33, 17)) > 0.5,
        np.ones((3, 5), bool),
        np.ones((1, 1), bool),
        np.zeros((0, 0), bool),
        disc(64)[::2, ::3],
    ],
)
def test_masks_come_back(crop):
    mask = Mask((300, 300), (7, 9), crop, 0.9, 0.8, point=(1.0, 2.0))
    packed = pack(mask)
    back = packed.unpack()
    np.testing.assert_array_equal(back.crop, crop)
    assert back.crop.dtype == bool
    assert (back.bbox, back.predicted_iou, back.point) == (mask.bbox, 0.9, (1.0, 2.0))
    assert (packed.outline.bbox, bool(packed.outline)) == (mask.bbox, bool(mask))


def test_smooth_masks_take_a_fiftieth_and_rough_ones_an_eighth():
    smooth, rough = Mask.from_array(disc(1500)), Mask.from_array(rng.random((1100, 1100)) > 0.5)
    assert pack(smooth).nbytes < smooth.crop.nbytes / 50
    assert pack(rough).nbytes <= rough.crop.nbytes / 8


def test_masks_that_are_unpacked_together_are_those_that_were_packed():
    sides = (0, 1, 40, 2000, 1500, 1500, 1500, 1500, 2900, 30)  # several blocks, and one for itself
    masks = [Mask((3000, 3000), (2, 3), disc(side), side / 3000, 0.8) for side in sides]
    unpacked = list(unpack_all(pack(mask) for mask in masks))
    assert len(unpacked) == len(masks)
    for before, after in zip(masks, unpacked, strict=True):
        np.testing.assert_array_equal(after.crop, before.crop)
        assert (after.bbox, after.predicted_iou) == (before.bbox, before.predicted_iou)
    assert unpacked[-1].crop.base.size == 30**2  # what is small holds no more than itself
    assert unpacked[4].crop.base is unpacked[3].crop.base
