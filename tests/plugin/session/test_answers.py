"""What is kept of the answers, and what it costs."""

from __future__ import annotations

import numpy as np

from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.plugin.session.answers import AnswerBook, rank
from napari_sam_onnx.prompting.segmenter import Segmenter
from napari_sam_onnx.prompts import make_prompts
from tests.fakes import ComponentModel, draw_discs

SHAPE = (64, 64)
PLACE = ("model", 1, "plane")


def ask(scores: tuple[float, float, float] = (0.7, 0.5, 0.9)) -> Mask:
    segmenter = Segmenter(ComponentModel(scores=scores))
    segmenter.set_image(draw_discs(SHAPE, [(20, 20), (45, 45)], 8))
    return segmenter.segment(points=[(20, 20)])


def test_candidates_are_ranked_and_upscaled_when_they_are_chosen() -> None:
    answer = rank(PLACE, make_prompts([(20, 20)], plane_shape=SHAPE), ask())
    assert [answer.masks.scores[i] for i in answer.order] == sorted(
        answer.masks.scores, reverse=True
    )
    assert answer.is_upscaled()
    following = answer.next()
    assert not following.is_upscaled()
    before = answer.nbytes
    assert following.mask.area < answer.mask.area
    assert following.is_upscaled() and answer.nbytes == before + following.mask.crop.nbytes
    assert answer.next().next().next().chosen == 0


def test_answers_are_bounded_in_bytes() -> None:
    mask = ask()
    each = rank(PLACE, make_prompts([(1, 1)], plane_shape=SHAPE), mask).nbytes
    assert each >= 3 * 64 * 64 * 4  # the logits of three candidates
    book = AnswerBook(max_bytes=3 * each)
    asked = [make_prompts([(y, 1)], plane_shape=SHAPE) for y in range(10)]
    kept = [book.add(rank(PLACE, prompts, mask)) for prompts in asked]
    assert len(book) == 3
    assert book.find(kept[-1].key) is kept[-1] and book.find(kept[0].key) is None
    assert book.add(rank(PLACE, asked[-1], mask)) and len(book) == 3  # the same question again


def test_a_mask_without_candidates_is_an_answer_too() -> None:
    plane = np.zeros(SHAPE, bool)
    plane[3:9, 3:9] = True
    answer = rank(PLACE, make_prompts([(4, 4)], plane_shape=SHAPE), Mask.from_array(plane))
    assert answer.candidates == 1 and answer.mask.area == 36 and answer.nbytes == 36
    assert answer.next().chosen == 0
