"""Labels of others, outlined anew: what is taken, what is left, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_onnx.automatic.refine import Limits, iterate_refinement, refine_labels
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.edges import compare_edges
from napari_sam_onnx.masks.mask import Mask
from tests.fakes import ComponentModel, draw_discs

if TYPE_CHECKING:
    from napari_sam_onnx.embedding import LowResMasks

CENTERS = ((30, 30), (30, 80), (75, 55))
PICTURE = draw_discs((100, 120), CENTERS, 10)
TRUTH, _ = ndimage.label(PICTURE > 0)
BEFORE = np.zeros(TRUTH.shape, np.uint16)
for _number, _shift in ((4, (0, 0)), (7, (4, 3)), (9, (-3, 3))):
    _label = {4: 1, 7: 2, 9: 3}[_number]
    BEFORE[np.roll(_label == TRUTH, _shift, (0, 1))] = _number


class Counting(ComponentModel):
    """Remembers what it was asked."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked: list[Any] = []

    def decode(self, embedding: Any, prompts: Any) -> LowResMasks:
        self.asked += list(prompts)
        return super().decode(embedding, prompts)


def test_wrong_outlines_are_replaced_and_right_ones_left() -> None:
    model = Counting()
    result = refine_labels(PICTURE, model, BEFORE)
    assert [(r.label, r.taken) for r in result.objects] == [(4, False), (7, True), (9, True)]
    assert result.objects[0].why == "no better"
    made = result.paint(BEFORE)
    for number, label in ((4, 1), (7, 2), (9, 3)):
        np.testing.assert_array_equal(made == number, label == TRUTH)
    assert made.dtype == BEFORE.dtype and np.unique(made).tolist() == [0, 4, 7, 9]
    assert len(model.asked) == 9 and model.decoded == 1  # each in three ways, all in one batch
    first, second, third = model.asked[3:6]
    assert first.mask is not None and first.box is not None and second.box is None
    assert second.mask is not None and third.mask is third.box is None
    assert first.points.tolist() == second.points.tolist() == [[34, 83]]
    assert "2 of 3 objects outlined anew" in result.summarize()
    assert result.objects[1].expected_after > 0.99 > result.objects[1].expected_before + 0.2


def test_neighbours_keep_their_pixels() -> None:
    before = BEFORE.copy()
    before[20:41, 89:100] = 5  # an object that covers a part of the second disc's place
    result = refine_labels(PICTURE, ComponentModel(), before, only=[7])
    made = result.paint(before)
    assert result.taken and [r.label for r in result.objects] == [7]
    np.testing.assert_array_equal(made == 5, before == 5)
    np.testing.assert_array_equal(made == 7, (TRUTH == 2) & (before != 5))


@pytest.mark.parametrize(
    ("limits", "scores", "why"),
    [
        (Limits(predicted_iou=0.97), (0.95, 0.7, 0.5), "not certain"),
        (Limits(stability=1.1), (0.95, 0.7, 0.5), "not stable"),
        (Limits(gain=0.9), (0.95, 0.7, 0.5), "no better"),
        (Limits(edges=90), (0.95, 0.7, 0.5), "edges no clearer"),
        (Limits(alone=1.1), (0.95, 0.7, 0.5), "not found by its centre"),
        (Limits(), (0.5, 0.7, 0.95), "another object"),  # everything bright
    ],
)
def test_doubtful_outlines_are_not_taken(limits: Limits, scores: Any, why: str) -> None:
    result = refine_labels(PICTURE, ComponentModel(scores=scores), BEFORE, [7], limits)
    assert [r.why for r in result.objects] == [why] and not result.taken
    np.testing.assert_array_equal(result.paint(BEFORE), BEFORE)
    assert "None of 1 objects" in result.summarize()


def test_it_goes_on_batch_by_batch_and_can_be_closed() -> None:
    grid = np.arange(1, 41).reshape(5, 8).repeat(12, 0).repeat(12, 1)
    picture = np.dstack([np.where(grid % 2, 255, 0).astype(np.uint8)] * 3)
    steps = iterate_refinement(picture, ComponentModel(), grid)
    assert [(step.done, step.total) for step in steps] == [(0, 40), (16, 40), (32, 40), (40, 40)]
    steps = iterate_refinement(picture, ComponentModel(), grid)
    next(steps)
    steps.close()


@pytest.mark.parametrize(
    ("labels", "only", "said"),
    [
        (np.zeros((100, 120), int), None, "no labelled object"),
        (np.ones((10, 12), int), None, "10 × 12"),
        (BEFORE, [5], "no object 5"),
        (BEFORE.astype(float), None, "whole numbers"),
    ],
)
def test_what_cannot_be_refined_is_said(labels: Any, only: Any, said: str) -> None:
    with pytest.raises(LabelError, match=said):
        refine_labels(PICTURE, ComponentModel(), labels, only)


def test_edges_are_compared_where_the_outlines_run() -> None:
    right, wrong = Mask.from_array(TRUTH == 2), Mask.from_array(BEFORE == 7)
    rgb = np.dstack([PICTURE] * 3)
    ratio = compare_edges(rgb, wrong, right)
    assert ratio > 1.5 and compare_edges(rgb, right, wrong) == pytest.approx(1 / ratio)
    assert compare_edges(rgb, right, right) == 1
    assert compare_edges(np.zeros_like(rgb), wrong, right) == 1  # no edges, no evidence
    red = rgb * np.array([1, 0, 0], np.uint8)  # an edge in one channel is one
    assert compare_edges(red, wrong, right) > 1.5
    corner = Mask.from_array(np.pad(np.ones((9, 9), bool), ((0, 91), (0, 111))))
    assert compare_edges(rgb, corner, corner) == 1  # at the picture's border
