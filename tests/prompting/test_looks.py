"""Objects that are larger than what a model sees at once."""

from dataclasses import replace

import numpy as np
import pytest

from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.masks.regions import Region, shrink
from napari_sam_onnx.prompting.looks import look_smaller
from napari_sam_onnx.prompting.segmenter import Segmenter, answer_prompts
from napari_sam_onnx.prompts import make_prompts
from tests.fakes import ComponentModel, draw_discs

SHAPE = (1200, 1600)
LARGE, SMALL = (600, 900), (100, 100)
PICTURE = draw_discs(SHAPE, [LARGE], 450) | draw_discs(SHAPE, [SMALL], 20)


class Nearsighted(ComponentModel):
    """Takes planes of any size, and doubts what is longer than `reach` pixels of its input."""

    largest_input = 2048
    reach = 300
    looked: list

    def __init__(self, **options):
        super().__init__(**options)
        self.looked = []

    def encode(self, image, scale=None):
        height, width = image.shape[:2]
        seen = (height, width)
        if scale is not None:
            seen = max(1, round(height * scale)), max(1, round(width * scale))
        self.looked.append(max(seen))
        embedding = super().encode(shrink(image, seen))
        return replace(embedding, plane_shape=(height, width), input_shape=seen)

    def decode(self, embedding, prompts):
        ratio = np.array(embedding.input_shape) / np.array(embedding.plane_shape)
        moved = [replace(p, points=(p.points + 0.5) * ratio - 0.5) for p in prompts]
        answer = super().decode(embedding, moved)
        above = answer.logits[:, 0] > 0
        longest = np.maximum(above.any(axis=2).sum(axis=1), above.any(axis=1).sum(axis=1))
        scores = np.where((longest > self.reach)[:, None], 0.1, answer.predicted_iou)
        window = np.float32([0, 0, *embedding.plane_shape])
        return replace(
            answer,
            predicted_iou=scores.astype(np.float32),
            windows=np.tile(window, (len(prompts), 1)),
        )


def overlap(mask, truth):
    found = np.asarray(mask)
    return (found & truth).sum() / (found | truth).sum()


def test_a_large_object_is_looked_at_smaller_and_a_small_one_is_not():
    model = Nearsighted()
    segmenter = Segmenter(model, EmbeddingCache())
    segmenter.set_image(PICTURE)
    small = segmenter.segment(points=[SMALL])
    assert model.looked == [1600] and overlap(small, draw_discs(SHAPE, [SMALL], 20) > 0) == 1
    large = segmenter.segment(points=[LARGE])
    assert model.looked == [1600, 800, 400]  # 900 px are seen as 450, then as 225
    assert large.score > 0.9 and large.shape == SHAPE
    assert overlap(large, draw_discs(SHAPE, [LARGE], 450) > 0) > 0.97
    segmenter.segment(points=[LARGE])
    assert len(model.looked) == 3  # the looks are kept


def test_several_objects_are_asked_again_one_by_one():
    from napari_sam_onnx.prompts import make_prompts

    model = Nearsighted()
    segmenter = Segmenter(model)
    segmenter.set_image(PICTURE)
    prompts = [make_prompts([at], plane_shape=SHAPE) for at in (SMALL, LARGE, SMALL)]
    masks = segmenter.answer(prompts)
    assert [mask.bbox[0] < 100 for mask in masks] == [True, False, True]
    assert min(mask.score for mask in masks) > 0.9


def test_a_large_object_is_looked_at_smaller_once_though_the_answer_is_sure():
    model = Nearsighted()
    model.reach = 2000
    segmenter = Segmenter(model)
    segmenter.set_image(PICTURE)
    segmenter.segment(points=[SMALL])
    assert model.looked == [1600]
    large = segmenter.segment(points=[LARGE])
    assert model.looked == [1600, 800] and large.score > 0.9
    assert overlap(large, draw_discs(SHAPE, [LARGE], 450) > 0) > 0.97


def test_a_large_box_around_a_small_answer_is_looked_at_smaller_too():
    model = Nearsighted()
    segmenter = Segmenter(model)
    segmenter.set_image(PICTURE)
    segmenter.segment(points=[SMALL], box=(60, 60, 240, 140))  # 180 pixels of the input
    assert model.looked == [1600, 800]
    segmenter.segment(points=[SMALL], box=(60, 60, 200, 140))
    assert len(model.looked) == 2


@pytest.mark.parametrize(("reached", "taken"), [(0.86, True), (0.84, False)])
def test_a_large_object_keeps_its_answer_unless_the_smaller_look_is_about_as_sure(reached, taken):
    class Growing(Nearsighted):
        def decode(self, embedding, prompts):
            answer = super().decode(embedding, prompts)
            sure = 0.9 if embedding.input_shape == SHAPE else reached
            return replace(answer, predicted_iou=np.full_like(answer.predicted_iou, sure))

    segmenter = Segmenter(Growing())
    segmenter.set_image(PICTURE)
    mask = segmenter.segment(points=[LARGE])
    assert segmenter.model.looked == [1600, 800]
    assert mask.score == pytest.approx(reached if taken else 0.9)


def test_a_doubtful_small_object_keeps_its_answer_though_a_smaller_look_is_sure():
    model = Nearsighted()
    model.reach = 30
    segmenter = Segmenter(model)
    segmenter.set_image(PICTURE)
    mask = segmenter.segment(points=[SMALL])
    assert mask.score == pytest.approx(0.1) and 800 in model.looked
    assert overlap(mask, draw_discs(SHAPE, [SMALL], 20) > 0) == 1


def test_where_no_look_is_sure_the_first_answer_stays():
    model = Nearsighted()
    model.reach = 5
    segmenter = Segmenter(model)
    segmenter.set_image(PICTURE)
    mask = segmenter.segment(points=[LARGE])
    assert mask.score == pytest.approx(0.1) and model.looked == [1600, 800, 400, 200]


def test_a_region_says_itself_how_it_is_looked_at():
    model = Nearsighted()
    segmenter = Segmenter(model)
    segmenter.set_image(PICTURE, region=Region((0, 100, 1200, 1600)))
    assert segmenter.segment(points=[LARGE]).score < 0.2
    assert model.looked == [1500]


def test_a_model_of_one_size_is_not_asked_again():
    model = ComponentModel(scores=(0.1, 0.05, 0.02))
    segmenter = Segmenter(model)
    segmenter.set_image(PICTURE)
    segmenter.segment(points=[LARGE])
    assert model.encoded == 1


def test_the_plane_is_read_once_for_all_smaller_looks_and_not_where_they_are_kept():
    model, cache, read = Nearsighted(), EmbeddingCache(), []
    rgb = np.repeat(PICTURE[..., None], 3, axis=2)
    segmenter = Segmenter(model, cache)
    segmenter.set_rgb(rgb)
    prompts = [make_prompts([LARGE], plane_shape=SHAPE)]
    masks = answer_prompts(model, segmenter.embedding, prompts)

    def read_plane():
        read.append(1)
        return rgb

    for _ in range(2):
        look_smaller(masks, prompts, model, segmenter.embedding, read_plane, cache)
        assert (model.looked, len(read)) == ([1600, 800, 400], 1)
