"""One object that is larger than what a model sees, among small ones."""

from dataclasses import replace

import numpy as np
import pytest

from napari_sam_onnx import automask, find_masks
from napari_sam_onnx.automatic.finders.large import add_large
from napari_sam_onnx.automatic.kept.mask_set import MaskSet
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.generators import drive
from napari_sam_onnx.masks.mask import Mask
from tests.fakes import draw_discs
from tests.prompting.test_looks import Nearsighted, overlap

SHAPE = (1200, 1600)
SMALL = [(y, x) for y in (60, 160) for x in range(60, 1560, 150)]
BIG = (700, 800)
SMALL_DISCS = draw_discs(SHAPE, SMALL, 25)
BIG_DISC = draw_discs(SHAPE, [BIG], 400)


def as_rgb(picture):
    return np.repeat(picture[..., None], 3, axis=2)


class Proposing(Nearsighted):
    """Proposes the middle of every disc, and cuts in four what is too large at its own scale."""

    def encode(self, image, scale=None):
        if scale is None or scale > 0.6:
            image = image.copy()
            image[BIG[0] : BIG[0] + 2, 300:1300] = 0
            image[200:, BIG[1] : BIG[1] + 2] = 0
        return super().encode(image, scale)

    def propose(self, embedding):
        found = super().propose(embedding)
        ratio = np.array(embedding.plane_shape) / np.array(embedding.input_shape)
        points = (found.points + 0.5) * ratio - 0.5
        return replace(found, points=points, boxes=found.boxes * np.tile(ratio, 2))


@pytest.fixture
def model():
    made = Proposing()
    made.reach = 500  # pixels of its input beyond which it doubts; pieces are shorter
    return made


def test_a_huge_object_is_found_among_small_ones(model):
    labels = automask(SMALL_DISCS | BIG_DISC, model, "objects")
    assert labels.max() == len(SMALL) + 1  # no pieces are left
    big = labels == labels[BIG[0] + 50, BIG[1] + 50]
    assert overlap(big, BIG_DISC > 0) > 0.97
    assert overlap((labels > 0) & ~big, SMALL_DISCS > 0) > 0.97


def test_small_objects_alone_are_what_they_were(model):
    rgb = as_rgb(SMALL_DISCS)
    found = find_masks(rgb, model, "objects")
    assert len(found.choose()) == len(SMALL)


def square(y, x, side, rating):
    mask = Mask(SHAPE, (y, x), np.ones((side, side), bool), rating)
    return replace(mask, rating=rating)


def add(model, masks):
    found = MaskSet(as_rgb(BIG_DISC), tuple(masks))
    return drive(add_large(found, found.rgb, model, 1.0, EmbeddingCache()))


def test_pieces_go_and_what_is_seen_well_on_it_stays_and_is_cut_out(model):
    piece, doubtful = square(500, 600, 250, 0.75), square(800, 800, 40, 0.5)
    organelle, beside = square(700, 900, 50, 0.9), square(20, 20, 50, 0.9)
    after = add(model, [piece, doubtful, organelle, beside])
    assert [mask.area for mask in after.masks[:2]] == [2500, 2500]
    (big,) = after.masks[2:]
    assert big.area == pytest.approx(np.count_nonzero(BIG_DISC) - 2500, rel=0.02)
    assert not np.asarray(big)[700:750, 900:950].any()


def test_a_heap_of_objects_that_are_seen_well_is_no_object(model):
    cells = [square(y, x, 80, 0.8) for y in range(450, 950, 100) for x in range(550, 1050, 100)]
    assert add(model, cells).masks == tuple(cells)
    specks = [square(y, 600, 12, 0.6) for y in range(500, 900, 50)]  # few pixels, not well seen
    assert add(model, specks).masks == tuple(specks)
    assert len(add(model, specks[:3]).masks) == 1


def test_what_was_found_already_is_not_found_twice(model):
    known = replace(Mask.from_array(BIG_DISC > 0), rating=0.75)
    assert add(model, [known]).masks == (known,)


def test_a_model_of_one_size_is_asked_once():
    from tests.fakes import ComponentModel

    model = ComponentModel()
    automask(SMALL_DISCS, model, "objects")
    assert model.encoded == 1


def test_a_plane_of_small_objects_is_not_looked_at_again(model):
    automask(SMALL_DISCS, model, "objects")
    assert model.encoded == 1
    automask(SMALL_DISCS | BIG_DISC, model, "objects")
    assert model.encoded > 2
