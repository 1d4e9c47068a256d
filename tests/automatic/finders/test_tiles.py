from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_onnx import automask, generate_masks
from napari_sam_onnx.automatic import iterate_masks, make_parameters
from napari_sam_onnx.automatic.finders.crops import fit_side, lay_tiles
from napari_sam_onnx.automatic.finders.tiles import find_own, merge_masks
from napari_sam_onnx.masks.mask import Mask, measure_iou
from napari_sam_onnx.masks.regions import Region
from tests.fakes import ComponentModel, draw_discs

TILES = {"tile_side": 128, "tile_overlap": 48}


def disc(shape, center, radius):
    return draw_discs(shape, [center], radius)


def objects(labels):
    return [labels == label for label in np.unique(labels) if label]


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize(("shape", "side"), [((300, 500), 128), ((128, 129), 128), ((40, 300), 64)])
@pytest.mark.parametrize("overlap", [0, 16, 32])
def test_tiles_cover_the_plane_and_overlap(shape, side, overlap):
    tiles = lay_tiles(shape, side, overlap)
    seen = np.zeros(shape, int)
    for tile in tiles:
        assert tile.shape == tuple(min(side, length) for length in shape)
        seen[tile.slices] += 1
    assert seen.min() == 1
    for axis in (0, 1):
        starts = sorted({tile.box[axis] for tile in tiles})
        for a, b in pairwise(starts):
            assert a + side - b >= overlap


CENTERS = [(100, 100), (100, 104), (60, 86), (86, 60), (172, 172), (150, 80), (128, 128)]


@pytest.mark.parametrize(
    ("inner", "center"),
    [
        *(("objects", center) for center in CENTERS),
        *(("blobs", center) for center in CENTERS[:4]),
        *(("grid", center) for center in CENTERS[:2]),
    ],
)
def test_one_disc_on_a_seam_gives_exactly_one_label(inner, center):
    picture = disc((300, 300), center, 14)
    settings = TILES | ({"points_per_side": 12} if inner == "grid" else {})
    labels = automask(picture, ComponentModel(), "tiled", inner=inner, **settings)
    (found,) = objects(labels)
    assert iou(found, picture > 0) >= 0.95


@pytest.mark.parametrize("radius", [30, 50, 90])
def test_an_object_larger_than_the_overlap_is_united(radius):
    picture = disc((300, 300), (150, 145), radius)
    labels = automask(picture, ComponentModel(), "tiled", **TILES)
    (found,) = objects(labels)
    assert iou(found, picture > 0) >= 0.95


def test_neighbours_on_a_seam_stay_apart():
    rng = np.random.default_rng(0)
    centers = [
        (y + rng.integers(-3, 4), x + rng.integers(-3, 4))
        for y in range(18, 380, 26)
        for x in range(18, 480, 26)
    ]
    picture = draw_discs((390, 490), centers, 9)
    truth, count = ndimage.label(picture)
    labels = automask(picture, ComponentModel(), "tiled", **TILES)
    assert len(objects(labels)) == count == len(centers)
    for label in range(1, count + 1):
        owner = np.bincount(labels[truth == label]).argmax()
        assert owner and iou(labels == owner, truth == label) >= 0.95


def test_a_sliver_that_only_the_tile_that_cuts_it_saw_is_dropped():
    tiles = lay_tiles((100, 180), 100, 20)  # they share the columns 80 to 100
    assert [tile.box for tile in tiles] == [(0, 0, 100, 100), (0, 80, 100, 180)]
    sliver = Mask((100, 180), (40, 92), np.ones((9, 8), bool), 0.9, crop_box=tiles[0].box)
    assert merge_masks([], [sliver], tiles, 0.5) == []
    left = Mask((100, 180), (40, 60), np.ones((9, 40), bool), 0.9, crop_box=tiles[0].box)
    right = Mask((100, 180), (40, 80), np.ones((9, 50), bool), 0.8, crop_box=tiles[1].box)
    (united,) = merge_masks([], [left, right], tiles, 0.5)
    assert united.bbox == (40, 60, 49, 130)
    assert united.predicted_iou == 0.8
    (alone,) = merge_masks([], [left], tiles, 0.5)  # too large for the overlap: nothing is lost
    assert alone is left


def test_large_pieces_that_only_touch_are_not_united():
    picture = np.zeros((300, 300), np.uint8)
    picture[20:280, 60:100] = 255  # two long bars through three tiles each
    picture[20:280, 103:140] = 255
    labels = automask(picture, ComponentModel(), "tiled", **TILES)
    assert len(objects(labels)) == 2
    assert sorted(int(o.sum()) for o in objects(labels)) == [260 * 37, 260 * 40]


def test_a_plane_smaller_than_a_tile_is_one_tile():
    picture = draw_discs((60, 100), [(20, 20), (40, 70)], 8)
    model = ComponentModel()
    tiled = generate_masks(picture, model, "tiled")
    assert model.encoded == 1
    plain = generate_masks(picture, ComponentModel(), "objects")
    assert [measure_iou(a, b) for a, b in zip(tiled, plain, strict=True)] == [1.0, 1.0]


def test_the_contrast_is_that_of_the_whole_plane():
    seen = []

    class Watching(ComponentModel):
        def encode(self, image):
            seen.append(int(image.max()))
            return super().encode(image)

    picture = np.zeros((128, 300), np.uint16)
    picture[50:70, 20:40] = 4000  # in the first tile
    picture[50:70, 260:280] = 400  # in the last: a tenth as bright, and so it stays
    automask(picture, Watching(), "tiled", **TILES)
    assert seen[0] == 255 and seen[-1] in (25, 26)


def test_tiles_report_and_stop_between_and_inside_tiles():
    picture = disc((300, 300), (150, 145), 30)
    model = ComponentModel()
    rgb = np.repeat(picture[..., None], 3, axis=2)
    steps = iterate_masks(rgb, model, make_parameters("tiled", **TILES))
    seen = []
    for event in steps:
        seen.append(event)
        if event.done == 3:
            steps.close()
    assert model.encoded == 3
    assert {(event.total, event.unit) for event in seen} == {(16, "tiles")}
    assert [event.done for event in seen] == sorted(event.done for event in seen)
    assert len(seen) > 4  # steps inside tiles too


def test_an_object_is_looked_at_in_the_tile_that_has_it_deepest():
    tiles = [Region((0, 0, 100, 60)), Region((0, 40, 100, 100))]
    plane = (100, 100)
    objects = np.array(
        [
            (10, 10, 20, 20),  # in the first tile alone
            (40, 42, 48, 50),  # in both; deeper in the first: 9 px against 2
            (40, 51, 48, 57),  # in both; deeper in the second
            (60, 30, 70, 70),  # in none
            (0, 41, 5, 43),  # the plane's edge is no seam
        ],
        float,
    )
    shift = np.array([0, 40, 0, 40])
    first = find_own(0, tiles, plane, None, objects)
    second = find_own(1, tiles, plane, None, objects - shift)
    assert first.tolist() == [True, True, False, True, True]
    assert second.tolist() == [False, False, True, True, False]
    lower = find_own(1, tiles, plane, lambda boxes: boxes[:, 0] >= 60, objects - shift)
    assert lower.tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("inner", ["objects", "blobs"])
def test_no_object_is_decoded_in_two_tiles(inner):
    centers = [(y, x) for y in range(20, 200, 26) for x in range(20, 200, 26)]
    picture = draw_discs((200, 200), centers, 6)
    asked = []

    class Counting(ComponentModel):
        def decode(self, embedding, prompts):
            asked.extend(prompts)
            return super().decode(embedding, prompts)

    labels = automask(picture, Counting(), "tiled", inner=inner, tile_side=100, tile_overlap=50)
    assert labels.max() == len(centers)
    assert len(asked) == len(centers)


@pytest.mark.parametrize(
    "shape", [(1008, 1344), (1024, 1024), (400, 90), (359, 361), (40000, 9000)]
)
def test_the_side_of_tiles_is_the_one_with_which_least_is_seen_twice(shape):
    def seen(side):
        return sum(tile.area for tile in lay_tiles(shape, side, 45))

    side = fit_side(shape, 360, 45, 64, 390)
    assert 270 <= side <= 390
    assert seen(side) <= min(seen(s) for s in (270, 300, 330, 360, 390))
    assert fit_side(shape, 360, 45, 360, 360) == 360
    assert fit_side(shape, 360, 175, 64, 390) >= 350  # tiles overlap by half at most
