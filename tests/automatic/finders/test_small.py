"""Blobs seen too small are looked at enlarged; masks that reach over to neighbours are cut."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import grey_dilation

from napari_sam_onnx import find_masks
from napari_sam_onnx.automatic.finders import small
from napari_sam_onnx.automatic.finders.beyond import cut_neighbours
from napari_sam_onnx.automatic.finders.small import (
    SEEN,
    SMALL,
    TRIED,
    TRIED_PARTS,
    brings_more,
    count_clearer,
    has_one_size,
    plan_parts,
)
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.prompting.scales import AtScale
from tests.fakes import ComponentModel, draw_discs

SHAPE = (400, 600)


class Free(ComponentModel):
    """Takes planes of any size."""

    largest_input = 640


def test_only_models_of_one_size_look_closer():
    assert has_one_size(ComponentModel())
    assert not has_one_size(Free()) and not has_one_size(AtScale(Free(), 2.0))


def test_each_small_blob_is_in_one_part_with_what_is_around_it():
    random = np.random.default_rng(0)
    places = random.uniform(20, np.subtract(SHAPE, 20), (200, 2))
    blobs = np.column_stack([places, random.uniform(2, 9, 200)])
    parts = plan_parts(blobs, 1.5, SHAPE, 600)  # seen as large as they are
    few = np.flatnonzero(2 * blobs[:, 2] < SMALL)
    assert 0 < len(few) < 200
    np.testing.assert_array_equal(np.sort(np.concatenate([p.blobs for p in parts])), few)
    side = 600 * np.median(2 * blobs[few, 2]) / SEEN
    counts = [len(part.blobs) for part in parts]
    assert counts == sorted(counts, reverse=True)
    for part in parts:
        y0, x0, y1, x1 = part.region.box
        assert max(y1 - y0, x1 - x0) == pytest.approx(side, abs=1) and len(part.blobs)
        low, high = blobs[part.blobs, :2] - blobs[part.blobs, 2:], [y1, x1]
        assert (low >= [y0, x0]).all() and (blobs[part.blobs, :2] < high).all()


def test_blobs_that_are_seen_well_need_no_part():
    blobs = np.array([[50.0, 50, 8], [80, 80, 20]])
    assert plan_parts(blobs, 1.5, SHAPE, 600) == []
    assert len(plan_parts(blobs, 1.5, SHAPE, 300)) == 1  # seen at half the size
    assert plan_parts(np.array([[9.0, 9, 2]]), 1.5, (40, 40), 80) == []  # no part is so small


class Counting(ComponentModel):
    """Notes the sizes of the planes that it is shown, and how many prompts it answers."""

    def __init__(self):
        super().__init__()
        self.shown, self.asked = [], 0

    def encode(self, image):
        self.shown.append(image.shape[:2])
        return super().encode(image)

    def decode(self, embedding, prompts):
        self.asked += len(prompts)
        return super().decode(embedding, prompts)


def test_each_blob_is_decoded_once_where_it_is_seen_best():
    centers = [(40, 40), (40, 90), (200, 300), (300, 500)]
    picture = draw_discs(SHAPE, centers, 4) | draw_discs(SHAPE, [(150, 150)], 20)
    model = Counting()
    found = find_masks(picture, model, "blobs", prompt="point")
    assert found.paint().max() == 5
    assert model.shown[0] == SHAPE and 1 < len(model.shown) <= 5
    assert model.asked == 5
    for mask in found.masks:
        y, x = np.round(mask.point).astype(int)
        assert mask.shape == SHAPE and np.asarray(mask)[y, x]
        np.testing.assert_array_equal(np.asarray(mask) & (picture == 0), False)


class Shortsighted(Counting):
    """Sees whole planes blurred: what it finds there is larger than it is."""

    def encode(self, image):
        whole = image.shape[:2] == SHAPE
        return super().encode(grey_dilation(image, (5, 5, 1)) if whole else image)


@pytest.mark.parametrize("kind", [Counting, Shortsighted])
def test_no_more_parts_are_enlarged_where_they_bring_nothing(kind, monkeypatch):
    monkeypatch.setattr(small, "TRIED_PARTS", 2)
    monkeypatch.setattr(small, "SEEN", 32.0)
    centers = [(y, x) for y in range(30, 400, 40) for x in range(30, 600, 40)]
    model = kind()
    found = find_masks(draw_discs(SHAPE, centers, 4), model, "blobs", prompt="point")
    assert len(found.masks) == found.paint().max() == len(centers)
    assert {mask.area for mask in found.masks} == {49}
    enlarged, compared = len(model.shown) - 1, model.asked - len(centers)
    if kind is Counting:  # it sees the plane as well as its parts
        assert enlarged == 2 and compared == 2 * TRIED
    else:
        assert enlarged > 5 and 0 < compared <= TRIED * (enlarged - 1)


def test_what_brings_more_is_found_out_from_some_blobs():
    assert brings_more(0, 0, 0) and brings_more(TRIED_PARTS - 1, 60, 0)
    assert brings_more(TRIED_PARTS, 60, 20) and not brings_more(TRIED_PARTS, 60, 19)


def test_a_blob_is_clearer_where_its_outline_follows_the_picture():
    rgb = np.zeros((80, 80, 3), np.uint8)
    rgb[np.asarray(draw_mask((40, 30), 6, 1)) | np.asarray(draw_mask((40, 60), 6, 1))] = 200
    wide, tight = draw_mask((40, 30), 9, 1), draw_mask((40, 30), 6, 1, (40.1, 30))
    other = draw_mask((40, 60), 6, 1)
    centers = np.array([[40.0, 30], [40, 60]])
    assert count_clearer(rgb, centers, [wide], [tight]) == 1
    assert count_clearer(rgb, centers, [tight], [wide]) == 0
    assert count_clearer(rgb, centers, [tight], [tight, other]) == 1  # it had none before
    assert count_clearer(rgb, centers[:1], [], [tight, other]) == 1  # the other is not asked about
    assert count_clearer(rgb, centers, [wide], []) == 0
    assert count_clearer(rgb, centers, [wide], [replace(tight, rating=0.8)]) == 0  # not sure of it


def draw_mask(center, radius, rating, point=None):
    y, x = np.indices((80, 80))
    inside = np.hypot(y - center[0], x - center[1]) <= radius
    return replace(Mask.from_array(inside), rating=rating, point=point or center)


def test_a_neighbour_is_cut_out_of_the_mask_that_took_it_in():
    blobs = np.array([[40.0, 30, 10], [40, 46, 4]])
    large, small = draw_mask((40, 36), 16, 0.9, (40.0, 30.0)), draw_mask((40, 46), 4, 0.8)
    cut, same = cut_neighbours([large, small], blobs, 0.6)
    assert same is small and cut.area == large.area - small.area
    assert not (np.asarray(cut) & np.asarray(small)).any()
    # but not what is rated too low, what lies on its own blob, or the rest of a long object
    for other, blob in (
        (draw_mask((40, 46), 4, 0.5), [40.0, 46, 4]),
        (draw_mask((40, 38), 4, 0.8), [40.0, 38, 4]),
        (draw_mask((40, 44), 14, 0.8, (40.0, 46.0)), [40.0, 46, 4]),
    ):
        assert cut_neighbours([large, other], np.array([blobs[0], blob]), 0.6)[0] is large
    assert cut_neighbours([], np.zeros((0, 3)), 0.6) == ()
