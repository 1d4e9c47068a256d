import numpy as np
import pytest

from napari_sam_onnx.embedding import LowResMask
from napari_sam_onnx.masks.regions import Region, cut_region, move_prompts_in, whole_region
from napari_sam_onnx.planes import ArrayPlanes
from napari_sam_onnx.prompting.segmenter import Segmenter
from napari_sam_onnx.prompts import PromptError, make_prompts
from tests.fakes import ComponentModel, draw_discs

SHAPE = (240, 320)
CENTERS = [(60, 80), (160, 230)]
PICTURE = draw_discs(SHAPE, CENTERS, 24)
ALL = np.asarray(PICTURE > 0)


def disc(number):
    return draw_discs(SHAPE, [CENTERS[number]], 24) > 0


def test_coordinates_go_there_and_back():
    region = Region((10, 20, 110, 220), 0.25)
    assert (region.shape, region.seen_shape, region.area) == ((100, 200), (25, 50), 20_000)
    points = np.array([[9.5, 19.5], [109.5, 219.5], [60.0, 100.0]])
    np.testing.assert_allclose(
        region.points_in(points), [[-0.5, -0.5], [24.5, 49.5], [12.125, 19.625]]
    )
    np.testing.assert_allclose(region.points_out(region.points_in(points)), points)
    boxes = np.array([[9.5, 19.5, 60, 100]])
    np.testing.assert_allclose(region.boxes_in(boxes), [[-0.5, -0.5, 12.125, 19.625]])
    assert Region((-5, 3, 900, 20)).clip(SHAPE).box == (0, 3, 240, 20)


def test_a_region_is_cut_and_shrunk():
    rgb = np.repeat(PICTURE[..., None], 3, axis=2)
    np.testing.assert_array_equal(cut_region(rgb, Region((5, 6, 90, 100))), rgb[5:90, 6:100])
    small = cut_region(rgb, whole_region(SHAPE, 0.5))
    means = rgb.reshape(120, 2, 160, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, means, atol=1)


@pytest.mark.parametrize("scale", [1, 0.5, 0.25])
@pytest.mark.parametrize("box", [(100, 150, 240, 320), (120, 190, 200, 270)])
def test_a_segmenter_answers_inside_a_region(box, scale):
    region = Region(box, scale)
    model = ComponentModel()
    segmenter = Segmenter(model)
    segmenter.set_image(PICTURE, region=region)
    assert segmenter.plane_shape == SHAPE and segmenter.region == region
    for prompt in ({"points": [CENTERS[1]]}, {"box": (130, 200, 190, 260)}):
        mask = segmenter.segment(**prompt)
        found = np.asarray(mask)
        truth = disc(1)
        assert mask.shape == SHAPE and mask.crop_box == box
        assert (found & truth).sum() / (found | truth).sum() > (0.999 if scale == 1 else 0.9)
    assert all(candidate.shape == SHAPE for candidate in mask.candidates)
    assert model.encoded == 1


def test_nothing_reaches_beyond_the_region():
    cut = Region((0, 0, 60, 80))  # a quarter of the disc
    segmenter = Segmenter(ComponentModel())
    segmenter.set_image(PICTURE, region=cut)
    mask = segmenter.segment(points=[(50, 70)])
    expected = disc(0)
    expected[60:] = expected[:, 80:] = False
    np.testing.assert_array_equal(np.asarray(mask), expected)


def test_of_a_source_only_the_region_is_read():
    class Watched(ArrayPlanes):
        def _take(self, array, index, region, channel):
            taken.append(region.box)
            return super()._take(array, index, region, channel)

    taken = []
    source = Watched(np.stack([PICTURE * 0, PICTURE]), "ZYX")
    segmenter = Segmenter(ComponentModel())
    segmenter.set_plane(source, (1,), Region((100, 150, 240, 320)))
    mask = segmenter.segment(points=[CENTERS[1]])
    np.testing.assert_array_equal(np.asarray(mask), disc(1))
    assert taken == [(100, 150, 240, 320)]
    segmenter.set_plane(source, (1,))
    np.testing.assert_array_equal(np.asarray(segmenter.segment(points=[CENTERS[0]])), disc(0))


def test_an_answer_refines_the_next_one_in_any_region():
    seen = []
    model = ComponentModel()
    decode = model.decode
    model.decode = lambda e, p: (seen.extend(p), decode(e, p))[1]
    segmenter = Segmenter(model)
    region = Region((100, 150, 240, 320), 0.5)
    segmenter.set_image(PICTURE, region=region)
    mask = segmenter.segment(points=[CENTERS[1]])
    np.testing.assert_allclose(mask.low_res.window, region.box)
    segmenter.segment(points=[CENTERS[1]], mask=mask)
    np.testing.assert_allclose(seen[-1].mask.window, (0, 0, 70, 85))


def test_prompts_beyond_the_region():
    region = Region((10, 20, 60, 90), 0.5)
    prompts = make_prompts([(30, 40), (100, 100)], [1, 0], (0, 30, 30, 400), plane_shape=SHAPE)
    moved = move_prompts_in(prompts, region)
    np.testing.assert_allclose(moved.points, [(9.75, 9.75)])
    np.testing.assert_allclose(moved.box, (-0.5, 4.75, 9.75, 34.5))
    for beyond in ({"points": [(5, 40)]}, {"box": (80, 100, 90, 110)}):
        with pytest.raises(PromptError, match="outside the part"):
            move_prompts_in(make_prompts(plane_shape=SHAPE, **beyond), region)
    window = np.float32([10, 20, 60, 90])
    refined = make_prompts(
        [(30, 40)], mask=LowResMask(np.zeros((4, 4), np.float32), window), plane_shape=SHAPE
    )
    np.testing.assert_allclose(move_prompts_in(refined, region).mask.window, (0, 0, 25, 35))
