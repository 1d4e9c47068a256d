"""Objects are looked for in a region, and in what other labels leave free."""

import numpy as np
import pytest

from napari_sam_onnx import automask, find_masks
from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.automatic.where import make_place
from tests.fakes import ComponentModel, draw_discs

CENTERS = [(20, 20), (20, 70), (60, 20), (60, 70)]
PICTURE = draw_discs((90, 100), CENTERS, 9)
MODES = [None, "objects", "blobs", "grid", "tiled"]
SETTINGS = {"grid": {"points_per_side": 20}, "tiled": {"tile_side": 64, "tile_overlap": 24}}


class Counting(ComponentModel):
    def __init__(self):
        super().__init__()
        self.asked = 0

    def decode(self, embedding, prompts):
        self.asked += len(prompts)
        return super().decode(embedding, prompts)


@pytest.mark.parametrize("mode", MODES)
def test_objects_mostly_outside_a_region_are_left_out(mode):
    inside = np.zeros(PICTURE.shape, bool)
    inside[:, :68] = True  # the right ones begin at 61: they lie beyond for the most part
    model = Counting()
    labels = automask(PICTURE, model, mode, inside=inside, **SETTINGS.get(mode, {}))
    assert labels.max() == 2
    assert labels[20, 20] and labels[60, 20] and not labels[:, 60:].any()
    if mode in ("objects", "blobs", "tiled", None):
        assert model.asked <= 4


def test_an_object_that_lies_inside_for_the_most_part_is_cut():
    inside = np.zeros(PICTURE.shape, bool)
    inside[:, :73] = True
    labels = automask(PICTURE, ComponentModel(), "objects", inside=inside)
    assert labels.max() == 4
    assert labels[20, 72] and not labels[20, 73]


@pytest.mark.parametrize("mode", MODES)
def test_gaps_are_filled_and_what_is_there_stays(mode):
    existing = np.zeros(PICTURE.shape, np.uint16)
    existing[10:31, 10:31] = 7  # the whole first disc, painted as a square
    existing[55:65, 64:68] = 9  # a part of the last
    model = Counting()
    labels = automask(PICTURE, model, mode, existing=existing, **SETTINGS.get(mode, {}))
    np.testing.assert_array_equal(labels[existing > 0], existing[existing > 0])
    assert sorted(np.unique(labels)) == [0, 7, 9, 10, 11, 12]
    if mode == "objects":
        assert model.asked == 3  # what is there is not looked at


def test_a_run_can_be_filtered_in_its_place():
    found = find_masks(PICTURE, ComponentModel(), "objects", inside=PICTURE > 0, min_rating=0.96)
    assert found.choose() == []
    assert len(found.choose(min_rating=0.5)) == 4


def test_places_that_do_not_fit_are_refused():
    assert make_place((4, 5)) is None
    with pytest.raises(ParameterError, match="of one size"):
        automask(PICTURE, ComponentModel(), "objects", inside=np.ones((3, 3)))
    with pytest.raises(ParameterError, match="whole numbers"):
        automask(PICTURE, ComponentModel(), "objects", existing=PICTURE.astype(float))
