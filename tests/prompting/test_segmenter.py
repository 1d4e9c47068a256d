import numpy as np
import pytest

from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.prompting.segmenter import Segmenter
from napari_sam_onnx.prompts import PromptError
from tests.fakes import ComponentModel, draw_discs

CENTERS = [(20, 20), (40, 70)]
PICTURE = draw_discs((60, 100), CENTERS, 8)


@pytest.fixture
def segmenter():
    made = Segmenter(ComponentModel())
    made.set_image(PICTURE)
    return made


def test_a_click_gives_the_object_under_it(segmenter):
    mask = segmenter.segment(points=[(40, 70)])
    truth = draw_discs((60, 100), CENTERS[1:], 8) > 0
    np.testing.assert_array_equal(np.asarray(mask), truth)
    assert mask.score == pytest.approx(0.95)
    assert [c.area for c in mask.candidates] == sorted(c.area for c in mask.candidates)
    assert len(mask.candidates) == 3


def test_a_box_gives_the_object_inside(segmenter):
    mask = segmenter.segment(box=(10, 10, 30, 30))
    assert mask.bbox == (12, 12, 29, 29)


def test_a_batch_answers_in_order_with_one_decode(segmenter):
    from napari_sam_onnx.prompts import make_prompts

    prompts = [make_prompts([c], plane_shape=(60, 100)) for c in reversed(CENTERS)]
    first, second = segmenter.answer(prompts)
    assert np.asarray(first)[40, 70] and np.asarray(second)[20, 20]
    assert segmenter.model.decoded == 1
    assert segmenter.answer([]) == []


def test_a_plane_is_encoded_once_per_model_content_and_contrast():
    cache = EmbeddingCache()
    one, two = ComponentModel("one"), ComponentModel("two")
    for model in (one, one, two):
        Segmenter(model, cache).set_image(PICTURE)
    assert (one.encoded, two.encoded) == (1, 1)
    Segmenter(one, cache).set_image(PICTURE.astype(np.float32) * 1000)  # the same RGB
    assert one.encoded == 1
    Segmenter(one, cache).set_image(255 - PICTURE)
    assert one.encoded == 2


def test_refining_passes_the_earlier_logits_on(segmenter):
    seen = []
    decode = segmenter.model.decode
    segmenter.model.decode = lambda e, p: (seen.extend(p), decode(e, p))[1]
    mask = segmenter.segment(points=[(20, 20)])
    segmenter.segment(points=[(20, 20)], mask=mask)
    assert seen[0].mask is None
    assert seen[1].mask is mask.low_res


def test_what_cannot_be_answered_is_refused():
    made = Segmenter(ComponentModel())
    with pytest.raises(PromptError, match="set_image"):
        made.segment(points=[(1, 1)])
    made.set_image(PICTURE)
    with pytest.raises(PromptError, match="outside"):
        made.segment(points=[(60, 1)])
    with pytest.raises(PromptError, match="no logits"):
        made.segment(points=[(1, 1)], mask=Mask.from_array(PICTURE > 0))
