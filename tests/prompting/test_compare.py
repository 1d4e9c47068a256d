from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.embedding import LowResMask
from napari_sam_onnx.masks.mask import Mask, measure_iou
from napari_sam_onnx.masks.upscale import mask_from_low_res
from napari_sam_onnx.prompting.compare import CompareError, ModelAnswer, compare_models, ensemble
from napari_sam_onnx.prompts import PromptError, make_prompts
from tests.fakes import ComponentModel, draw_discs

SHAPE = (40, 60)


def _rgb():
    return np.stack([draw_discs(SHAPE, [(12, 15), (28, 45)], 6)] * 3, axis=-1)


def _click(y=12, x=15):
    return make_prompts([(y, x)], plane_shape=SHAPE)


class BoxesOnly(ComponentModel):
    def decode(self, embedding, prompts):
        raise PromptError("This model takes boxes only; draw a box instead.")


def test_each_model_answers_with_masks_scores_and_times():
    models = [ComponentModel("exact"), ComponentModel("wide", scores=(0.2, 0.8, 0.1))]
    seen = []

    answers = compare_models(_rgb(), _click(), models, progress=lambda *at: seen.append(at))

    assert [answer.model_id for answer in answers] == ["exact", "wide"]
    assert [answer.mask.score for answer in answers] == pytest.approx([0.95, 0.8])
    assert answers[1].mask.area > answers[0].mask.area
    disc = draw_discs(SHAPE, [(12, 15)], 6) > 0
    assert (np.asarray(answers[0].mask) == disc).all()
    for answer in answers:
        assert answer.problem == ""
        assert len(answer.candidates) == 3
        assert answer.mask.candidates == answer.candidates
        assert answer.encode_ms > 0
        assert answer.decode_ms > 0
    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_embeddings_come_from_the_cache_and_say_so():
    model, cache = ComponentModel(), EmbeddingCache()

    first = compare_models(_rgb(), _click(), [model], cache)
    second = compare_models(_rgb(), _click(28, 45), [model], cache)

    assert model.encoded == 1
    assert first[0].encode_ms is not None
    assert second[0].encode_ms is None
    assert second[0].mask.bbox != first[0].mask.bbox


def test_a_model_that_cannot_answer_does_not_stop_the_others():
    answers = compare_models(_rgb(), _click(), [BoxesOnly("boxes"), ComponentModel()])

    assert answers[0].mask is None
    assert answers[0].candidates == ()
    assert answers[0].problem == "This model takes boxes only; draw a box instead."
    assert answers[1].mask is not None
    assert measure_iou(ensemble(answers), answers[1].mask) == 1.0


def test_no_model_is_refused():
    with pytest.raises(CompareError, match="choose at least one"):
        compare_models(_rgb(), _click(), [])


def _square(y0, x0, y1, x1, inside=8.0, outside=-8.0, score=0.9) -> Mask:
    logits = np.full(SHAPE, outside, np.float32)
    logits[y0:y1, x0:x1] = inside
    window = np.array([0, 0, *SHAPE], np.float32)
    return mask_from_low_res(LowResMask(logits, window), SHAPE, score)


def _plane(*squares) -> np.ndarray:
    plane = np.zeros(SHAPE, bool)
    for y0, x0, y1, x1 in squares:
        plane[y0:y1, x0:x1] = True
    return plane


def test_majority_of_three():
    masks = [_square(5, 5, 20, 20), _square(10, 10, 25, 25), _square(30, 40, 35, 50)]

    made = ensemble(masks, "majority")

    assert (np.asarray(made) == _plane((10, 10, 20, 20))).all()
    assert made.shape == SHAPE
    assert np.isnan(made.stability)


def test_majority_of_two_is_where_both_are():
    made = ensemble([_square(5, 5, 20, 20), _square(10, 10, 25, 25)], "majority")

    assert (np.asarray(made) == _plane((10, 10, 20, 20))).all()


def test_mean_weighs_certainty():
    """A sure yes against a hesitant no is a yes, a hesitant yes against a sure no is none."""
    sure, hesitant = _square(5, 5, 20, 20), _square(10, 10, 25, 25, inside=0.5, outside=-0.5)

    made = ensemble([sure, hesitant])

    assert (np.asarray(made) == _plane((5, 5, 20, 20))).all()
    assert ensemble([sure, sure, hesitant]).bbox == (5, 5, 20, 20)


def test_mean_is_not_ruled_by_large_logits():
    """Two models with logits around 3 outvote one whose logits reach 32."""
    loud = _square(0, 0, 10, 10, inside=32, outside=-32)
    calm = [_square(20, 20, 30, 30, inside=3, outside=-3) for _ in range(2)]

    made = ensemble([loud, *calm])

    assert (np.asarray(made) == _plane((20, 20, 30, 30))).all()


def test_mean_over_masks_of_different_resolution():
    fine = _square(8, 12, 24, 36)
    coarse_logits = np.full((10, 15), -8, np.float32)
    coarse_logits[2:6, 3:9] = 8
    window = np.array([0, 0, *SHAPE], np.float32)
    coarse = mask_from_low_res(LowResMask(coarse_logits, window), SHAPE, 0.5)

    made = ensemble([fine, coarse])

    assert made.bbox == (8, 12, 24, 36)
    assert measure_iou(made, fine) > 0.97
    assert made.score == pytest.approx(0.7)
    assert 0 < made.stability <= 1


def test_mean_over_windows_that_do_not_meet():
    """Outside of its window a model says no."""
    left = LowResMask(np.full((8, 8), 5, np.float32), np.array([4, 4, 12, 12], np.float32))
    right = LowResMask(np.full((8, 8), 5, np.float32), np.array([20, 40, 28, 48], np.float32))
    masks = [mask_from_low_res(part, SHAPE, 0.9) for part in (left, right)]

    assert not ensemble(masks)
    assert (np.asarray(ensemble([masks[0], masks[0], masks[1]])) == _plane((4, 4, 12, 12))).all()


def test_masks_without_logits_count_as_sure():
    drawn = Mask.from_array(_plane((5, 5, 20, 20)))
    hesitant = _square(10, 10, 25, 25, inside=0.5, outside=-0.5)

    made = ensemble([drawn, hesitant])

    assert (np.asarray(made) == _plane((5, 5, 20, 20))).all()
    assert made.score == pytest.approx(0.9)


def test_ensemble_can_be_refined_by_a_model():
    rgb, models = _rgb(), [ComponentModel("a"), ComponentModel("b", scores=(0.2, 0.8, 0.1))]
    made = ensemble(compare_models(rgb, _click(), models))

    again = make_prompts([(12, 15)], mask=made.low_res, plane_shape=SHAPE)

    assert compare_models(rgb, again, models[:1])[0].mask is not None


def test_one_mask_stays_itself_and_nothing_stays_nothing():
    square = _square(5, 5, 20, 20)
    empty = Mask.from_array(np.zeros(SHAPE, bool))

    for how in ("mean", "majority"):
        assert measure_iou(ensemble([square], how), square) == 1.0
        made = ensemble([empty, empty], how)
        assert not made
        assert made.shape == SHAPE
        assert np.isnan(made.score)


def test_bad_ensembles_are_refused():
    square = _square(5, 5, 20, 20)

    with pytest.raises(CompareError, match="let at least one model answer"):
        ensemble([ModelAnswer("a", None, problem="no")])
    with pytest.raises(CompareError, match="planes of different sizes"):
        ensemble([square, replace(square, shape=(50, 60))])
    with pytest.raises(CompareError, match="by mean or majority; got 'median'"):
        ensemble([square], "median")
