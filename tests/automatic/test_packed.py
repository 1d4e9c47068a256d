"""Packed masks come back as they were, and take less."""

import numpy as np
import pytest

from napari_sam_onnx.automatic.packed import pack
from napari_sam_onnx.masks import Mask

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
