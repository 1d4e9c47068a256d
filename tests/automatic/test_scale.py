"""The scale and the channels that suit a model: found by what it sees."""

from itertools import combinations

import numpy as np
import pytest

from napari_sam_onnx import automask
from napari_sam_onnx.automatic.choose import iterate_choice
from napari_sam_onnx.automatic.scale import iterate_diameter, own_scale
from napari_sam_onnx.automatic.suggest import count_ways, suggest_views
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.generators import drive
from napari_sam_onnx.pictures.image import ImageError
from tests.fakes import ComponentModel, draw_discs

CENTERS = [(y, x) for y in range(30, 200, 50) for x in range(30, 200, 50)]


def as_rgb(picture):
    return np.repeat(picture[..., None], 3, axis=2)


def find_diameter(rgb, model):
    return drive(iterate_diameter(rgb, model, EmbeddingCache()))


class Free(ComponentModel):
    """Encodes at any scale up to 2000 px."""

    largest_input = 2000

    def __init__(self, heaps_below=0.0, blind_above=1e9):
        super().__init__("free")
        self.scales = []
        self.heaps_below, self.blind_above = heaps_below, blind_above

    def encode(self, image, scale=None):
        """Below a scale it sees one heap; above another nothing."""
        from dataclasses import replace

        factor = 1.0 if scale is None else scale
        self.scales.append(factor)
        seen = np.full_like(image, 255) if factor < self.heaps_below else image
        seen = np.zeros_like(image) if factor > self.blind_above else seen
        shape = round(image.shape[0] * factor), round(image.shape[1] * factor)
        return replace(super().encode(seen), input_shape=shape)


def test_every_look_is_a_step_at_which_a_run_may_end():
    model = Free()
    rgb = as_rgb(draw_discs((200, 200), CENTERS, 5))
    steps = iterate_choice(model, rgb, EmbeddingCache(), {})
    looked = []
    for step in steps:
        assert (step.unit, step.total) == ("looks", 0)
        looked.append(len(model.scales))
    # one at its own scale, one at that of the objects; the steps before and after are told
    assert looked[0] == 0 and looked[-1] == 2 and max(np.diff(looked)) == 1


def test_a_plane_larger_than_the_largest_input_is_not_encoded_to_know_its_scale():
    model = Free()
    assert own_scale(np.zeros((100, 4000, 3), np.uint8), model, EmbeddingCache()) == 0.5
    assert not model.scales
    assert own_scale(np.zeros((100, 400, 3), np.uint8), model, EmbeddingCache()) == 1.0


@pytest.mark.parametrize(
    ("radius", "expected"),
    [pytest.param(5, 10, id="small"), pytest.param(15, 0, id="seen well")],
)
def test_small_objects_are_looked_at_larger(radius, expected):
    rgb = as_rgb(draw_discs((200, 200), CENTERS, radius))
    found = find_diameter(rgb, Free())
    assert found == pytest.approx(expected, abs=0.7)


def test_large_objects_are_looked_at_smaller_unless_less_is_seen_then():
    rgb = as_rgb(draw_discs((400, 400), [(100, 100), (300, 280)], 70))
    assert find_diameter(rgb, Free()) == pytest.approx(140, abs=2)

    class Shy(Free):
        def encode(self, image, scale=None):
            if scale is not None and scale < 0.5:
                image = np.zeros_like(image)
            return super().encode(image, scale)

    assert find_diameter(rgb, Shy()) == 0


def test_objects_too_large_to_be_seen_are_looked_at_smaller():
    rgb = as_rgb(draw_discs((1000, 1000), [(500, 520)], 400))
    blind = Free(blind_above=0.4)  # nothing at its own size, nor at half of it
    assert find_diameter(rgb, blind) == pytest.approx(800, rel=0.02)

    class InPieces(Free):
        """Cuts in four what it sees at more than a third of the size."""

        def encode(self, image, scale=None):
            if scale is None or scale > 0.3:
                image = image.copy()
                image[500] = image[:, 520] = 0
            return super().encode(image, scale)

    assert find_diameter(rgb, InPieces()) == pytest.approx(800, rel=0.02)
    small = as_rgb(draw_discs((1000, 1000), [(50, 50)], 20))
    assert find_diameter(rgb | small, InPieces()) != pytest.approx(800, rel=0.2)


def test_heaps_are_looked_at_closer():
    rgb = as_rgb(draw_discs((200, 200), CENTERS, 12))
    model = Free(heaps_below=1.5)
    diameter = find_diameter(rgb, model)
    assert diameter == pytest.approx(25)  # seen at twice the size: 50 px
    assert automask(rgb, Free(heaps_below=1.5)).max() == len(CENTERS)
    assert automask(rgb, Free(heaps_below=1.5), "objects").max() == 1


def test_a_model_of_one_size_or_an_empty_plane_has_no_other_scale():
    rgb = as_rgb(draw_discs((200, 200), CENTERS, 4))
    assert find_diameter(rgb, ComponentModel()) == 0
    assert find_diameter(np.zeros_like(rgb), Free()) == 0
    assert find_diameter(rgb, Free(blind_above=1.0)) == 0


def test_who_lays_tiles_wants_no_other_scale():
    rgb = as_rgb(draw_discs((600, 600), CENTERS, 5))
    model = Free()
    automask(rgb, model, tile_side=128, tile_overlap=32)
    assert set(model.scales[:-1]) == {1.0}
    assert model.scales[-1] == 0.5  # once, for objects larger than what is seen in a tile


def test_the_channel_that_shows_most_comes_first():
    noise = np.zeros((200, 200), np.uint16)
    noise[30, 30] = 4000  # inside a cell
    cells = draw_discs((200, 200), CENTERS, 14).astype(np.uint16) * 10
    steps = []
    ways = suggest_views(
        np.stack([noise, cells, noise]),
        ComponentModel(),
        "CYX",
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps[-1] == (len(ways), len(ways)) == (11, 11)
    assert ways[0].sight.count == len(CENTERS)
    best = next(way for way in ways if way.way.name == "channel 1")
    assert best.sight.worth == ways[0].sight.worth
    assert best.way.options == "--channels 1:gray"
    assert [way.sight.worth for way in ways] == sorted((w.sight.worth for w in ways), reverse=True)
    pair = next(way for way in ways if way.way.name == "channels 0 and 1")
    assert pair.way.options == "--channels 0:red,1:green"
    inverted = next(way for way in ways if way.way.name == "channel 1, inverted")
    assert inverted.way.options == "--channels 1:gray --view inverted"
    np.testing.assert_array_equal(inverted.rgb, 255 - best.rgb)


def test_a_colour_picture_is_tried_by_its_stains():
    names = {
        way.way.name
        for way in suggest_views(as_rgb(draw_discs((60, 60), [(30, 30)], 9)), ComponentModel())
    }
    assert {
        "as it is",
        "inverted",
        "hematoxylin",
        "eosin, inverted",
        "blue",
        "red, inverted",
    } <= names


def test_only_the_middle_of_a_large_plane_is_tried():
    large = np.zeros((1000, 900), np.uint8)
    large[500, 450] = 255
    ways = suggest_views(large, ComponentModel(), "YX")
    assert {way.rgb.shape for way in ways} == {(768, 768, 3)}
    assert [way.way.name for way in ways if way.rgb[384, 384, 0] == 255] == ["as it is"]


def test_of_many_channels_pairs_of_the_best_are_tried():
    planes = np.zeros((6, 240, 240), np.uint8)
    for channel, count in ((1, 2), (3, 3), (4, 4), (5, 5)):
        planes[channel] = draw_discs((240, 240), CENTERS[:count], 9)
    ways = suggest_views(planes, ComponentModel(), "CYX")
    pairs = {way.way.name for way in ways if " and " in way.way.name}
    assert pairs == {f"channels {a} and {b}" for a, b in combinations((1, 3, 4, 5), 2)}
    assert len(ways) == count_ways(6, colour=False, usual=True) == 2 + 12 + 6


def test_a_model_that_proposes_nothing_cannot_advise():
    class Mute(ComponentModel):
        def propose(self, embedding):
            return None

    with pytest.raises(ImageError, match="use pebble"):
        suggest_views(np.zeros((30, 30), np.uint8), Mute(), "YX")
