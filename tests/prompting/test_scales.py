"""At what size a model looks at a plane, for objects of a known diameter."""

import numpy as np
import pytest

from napari_sam_onnx import Segmenter, automask, load_model
from napari_sam_onnx.masks.regions import cut_region, whole_region
from napari_sam_onnx.models.model import Model, ModelError
from napari_sam_onnx.prompting.scales import (
    SEEN_DIAMETER,
    AtScale,
    FreeModel,
    Look,
    find_part,
    plan_look,
)
from napari_sam_onnx.prompts import PromptError, make_prompts
from tests.fakes import ComponentModel, draw_discs


class Free(ComponentModel):
    """Takes planes of any scale up to 400 px; remembers what it was shown and in which scale."""

    largest_input = 400

    def __init__(self, **values):
        super().__init__("free", **values)
        self.looks = []

    def encode(self, image, scale=None):
        self.looks.append((image.shape[:2], scale))
        return super().encode(image)


class Fixed(ComponentModel):
    """Sees every plane at 100 px on its longer side."""

    def __init__(self):
        super().__init__("fixed")
        self.looks = []

    def encode(self, image):
        from dataclasses import replace

        self.looks.append(image.shape[:2])
        side = max(image.shape[:2])
        seen = tuple(round(length * 100 / side) for length in image.shape[:2])
        return replace(super().encode(image), input_shape=seen)


CENTERS = [(20, 20), (40, 170), (150, 85)]
PICTURE = draw_discs((200, 200), CENTERS, 8)
RGB = np.repeat(PICTURE[..., None], 3, axis=2)


def test_objects_are_seen_at_one_diameter_where_the_plane_fits():
    look = plan_look(Free(), (200, 200), 25, 1.0)
    assert look.part == 0
    assert look.model.scale == SEEN_DIAMETER / 25
    assert look.model.id != Free().id  # embeddings of two scales are two
    assert isinstance(look.model, Model)


@pytest.mark.parametrize(("diameter", "kept"), [(39, False), (40, True), (100, True), (101, False)])
def test_a_scale_that_suits_already_stays(diameter, kept):
    look = plan_look(Free(), (200, 200), diameter, 1.0)
    assert isinstance(look.model, AtScale) != kept


def test_a_plane_that_does_not_fit_is_looked_at_in_parts():
    look = plan_look(Free(), (200, 300), 16, 1.0)
    scale = SEEN_DIAMETER / 16
    assert look.part * scale == pytest.approx(400, abs=scale)
    assert 0 < look.overlap <= look.part // 2


def test_a_model_of_one_size_is_given_a_part_that_fills_it():
    look = plan_look(Fixed(), (200, 200), 25, 0.8)
    assert isinstance(look.model, Fixed)
    assert look.part == 80
    assert plan_look(Fixed(), (200, 200), 400, 0.5).part == 0  # not smaller than it does


def test_automatic_masks_look_at_the_scale_of_the_diameter():
    model = Free()
    assert automask(PICTURE, model, "objects", diameter=25).max() == 3
    assert model.looks[:2] == [((200, 200), None), ((200, 200), 2.0)]  # then larger objects
    parts = Free()
    assert automask(PICTURE, parts, "objects", diameter=12.5).max() == 3
    tiles = {look for look in parts.looks[1:] if look[1] == 4.0}
    assert tiles == {((88, 88), 4.0)}  # three a side, rather than three of 100
    fixed = Fixed()
    assert automask(PICTURE, fixed, "grid", diameter=40, points_per_side=30).max() == 3
    assert fixed.looks[0] == (200, 200) and set(fixed.looks[1:]) == {(80, 80)}


@pytest.mark.parametrize("mode", [None, "objects", "blobs", "tiled"])
def test_every_mode_takes_a_diameter(mode):
    model = Free()
    assert automask(PICTURE, model, mode, diameter=25).max() == 3
    assert 2.0 in {scale for _, scale in model.looks}  # one more, smaller, is for large objects


def test_clicks_are_answered_at_the_scale_of_the_diameter():
    segmenter = Segmenter(Free())
    segmenter.set_image(PICTURE, diameter=25)
    mask = segmenter.segment(points=[(40, 170)])
    assert segmenter.model.looks[-1] == ((200, 200), 2.0)
    assert mask.bbox == (32, 162, 49, 179)


def test_clicks_on_a_plane_that_does_not_fit_are_answered_in_a_part():
    segmenter = Segmenter(Free())
    segmenter.set_image(PICTURE, diameter=12.5)
    for center in CENTERS:
        mask = segmenter.segment(points=[center])
        assert mask.shape == (200, 200)
        assert mask.area == np.count_nonzero(draw_discs((200, 200), [center], 8))
    assert set(segmenter.model.looks[1:]) == {((100, 100), 4.0)}
    count = len(segmenter.model.looks)
    segmenter.segment(points=[(CENTERS[0][0] + 3, CENTERS[0][1])])
    assert len(segmenter.model.looks) == count  # a neighbour shares the part
    segmenter.set_image(PICTURE)
    assert segmenter.region is None
    assert segmenter.segment(points=[CENTERS[0]]).area > 0
    assert segmenter.model.looks[-1] != ((100, 100), None)


def test_prompts_too_far_apart_for_a_part_are_refused():
    segmenter = Segmenter(Free())
    segmenter.set_image(PICTURE, diameter=12.5)
    with pytest.raises(PromptError, match="give a larger diameter"):
        segmenter.segment(box=(5, 5, 180, 180))
    with pytest.raises(PromptError, match="positive"):
        segmenter.set_image(PICTURE, diameter=-3)
    with pytest.raises(PromptError, match="without a region"):
        segmenter.set_image(PICTURE, region=whole_region((200, 200), 0.5), diameter=3)


@pytest.mark.parametrize("place", [(0, 0), (199, 299), (0, 299), (100, 150), (77, 3)])
def test_a_part_holds_its_prompts_and_lies_in_the_plane(place):
    look = Look(Free(), 64, 8)
    prompts = make_prompts([place], plane_shape=(200, 300))
    part = find_part(prompts, (200, 300), look)
    assert part.shape == (64, 64)
    y0, x0, y1, x1 = part.box
    assert 0 <= y0 <= place[0] < y1 <= 200 and 0 <= x0 <= place[1] < x1 <= 300
    box = make_prompts(box=(100.2, 20.7, 163, 80), plane_shape=(200, 300))
    y0, x0, y1, x1 = find_part(box, (200, 300), look).box
    assert y0 <= 101 and y1 >= 163 and x0 <= 20.7 and x1 >= 80
    small = find_part(make_prompts([(3, 3)], plane_shape=(40, 300)), (40, 300), look)
    assert small.shape == (40, 64)


def test_pebble_takes_any_scale():
    model = load_model("pebble")
    assert isinstance(model, FreeModel) and model.largest_input == 2048
    rgb = np.repeat(draw_discs((100, 120), [(40, 60)], 12)[..., None], 3, axis=2)
    embedding = AtScale(model, 1.5).encode(rgb)
    assert embedding.input_shape == (150, 180) and embedding.plane_shape == (100, 120)
    with pytest.raises(ModelError, match="look at parts"):
        model.encode(rgb, 20)
    segmenter = Segmenter(model)
    segmenter.set_rgb(rgb, diameter=30)
    assert segmenter.embedding.input_shape == (200, 240)  # 60 px: as it is
    segmenter.set_rgb(rgb, diameter=15)
    assert segmenter.embedding.input_shape == (333, 400)
    mask = segmenter.segment(points=[(40, 60)])
    truth = draw_discs((100, 120), [(40, 60)], 12) > 0
    assert (np.asarray(mask) & truth).sum() / (np.asarray(mask) | truth).sum() > 0.9
    assert cut_region(rgb, whole_region((100, 120))).shape == rgb.shape
