"""Pictures that were given as labels are refused, labels of any kind are not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.labels.likely import FEWEST_PAIRS, is_picture, look_like_labels, refuse_picture

NOISE = np.random.default_rng(0)


def draw_packed(side, size=64):
    """Squares of a side that fill a plane, numbered at random."""
    rows, columns = np.indices((size, size)) // side
    numbers = NOISE.permutation(int(rows.max() + 1) * int(columns.max() + 1)) + 1
    return numbers[rows * (int(columns.max()) + 1) + columns]


@pytest.mark.parametrize(
    "picture",
    [
        data.coins(),
        data.moon(),
        NOISE.poisson(20, (64, 64)).astype(np.uint16),
        (gaussian_filter(NOISE.random((128, 128)), 6) * 4000).astype(np.uint16),
        NOISE.random((64, 64)).astype(np.float32) + 1,
    ],
    ids=["coins", "moon", "poisson", "smooth", "float"],
)
def test_pictures_are_refused_whatever_they_show(picture):
    with pytest.raises(LabelError, match=r"cells\.tif looks like a picture and not like labels"):
        refuse_picture(picture, "cells.tif")
    with pytest.raises(LabelError, match="looks like a picture"):
        refuse_picture(np.stack([picture, picture]), "cells.tif")


@pytest.mark.parametrize("side", [2, 3, 10])
def test_labels_that_fill_the_plane_are_not(side):
    refuse_picture(draw_packed(side), "labels.tif")


def test_labels_of_other_kinds_are_not():
    refuse_picture(data.horse(), "mask.png")
    classes = NOISE.integers(0, 3, (64, 64))
    refuse_picture(
        gaussian_filter(classes.astype(float), 4).round().astype(np.uint8), "classes.tif"
    )
    refuse_picture(np.zeros((64, 64), np.uint16), "empty.tif")
    refuse_picture(np.arange(64, dtype=np.uint16), "row.tif")
    # a plane of labels among planes that hold something else is enough
    mixed = np.stack([NOISE.integers(1, 999, (64, 64)), draw_packed(5), draw_packed(5)])
    refuse_picture(mixed.astype(np.uint16), "stack.tif")


def test_few_pixels_say_nothing():
    side = int((FEWEST_PAIRS / 2) ** 0.5)
    assert not is_picture(NOISE.integers(1, 3, (side, side)))
    assert is_picture(NOISE.integers(1, 3, (4 * side, 4 * side)))


def test_only_the_middle_of_lazy_stacks_is_read():
    read = []

    class Lazy:
        shape, dtype = (7, 3000, 4000), np.dtype(np.uint16)

        def __getitem__(self, at):
            read.append(at)
            return NOISE.poisson(20, (64, 64))

    with pytest.raises(LabelError):
        refuse_picture(Lazy(), "stack.zarr")
    assert [at[0] for at in read] == [2, 4]
    assert read[0][1:] == (slice(988, 2012), slice(1488, 2512))


def test_labels_that_were_opened_as_a_picture_are_known():
    discs = draw_packed(10) * (NOISE.random((7, 7)) < 0.6).repeat(10, 0).repeat(10, 1)[:64, :64]
    for kind in (np.uint8, np.uint16, np.float32):
        assert look_like_labels(discs.astype(kind))
    assert look_like_labels(np.stack([discs, discs, 0 * discs]).astype(np.uint16))
    for other in (
        data.coins(),
        data.horse().astype(np.uint8),
        (discs > 0) * np.uint8(255),
        np.full((64, 64), 7, np.uint16),
        np.zeros((64, 64), np.uint16),
        discs + 0.5,
        np.where(discs == 1, np.nan, discs),
        gaussian_filter(discs.astype(float), 1).astype(np.uint16),
        discs.tolist(),
    ):
        assert not look_like_labels(other)
