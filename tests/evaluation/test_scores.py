"""Figures per picture and pooled."""

import numpy as np
import pytest

from napari_sam_onnx.evaluation.evaluate import EvaluationError
from napari_sam_onnx.evaluation.scores import measure_boundary, pool_scores, score_labels


def squares(*corners, side=10, shape=(40, 60)):
    labels = np.zeros(shape, int)
    for number, (y, x) in enumerate(corners, start=1):
        labels[y : y + side, x : x + side] = number
    return labels


TRUTH = squares((2, 2), (2, 20), (25, 40))


def test_precision_recall_and_quality_at_each_threshold():
    labels = squares((2, 2), (2, 22), (25, 2), (15, 20))
    figures = score_labels(labels, TRUTH, (0.5, 0.75)).figures()
    assert (figures["found"], figures["expected"]) == (4, 3)
    assert (figures["tp@0.5"], figures["fp@0.5"], figures["fn@0.5"]) == (2, 2, 1)
    assert figures["precision@0.5"] == 2 / 4 and figures["recall@0.5"] == 2 / 3
    assert figures["precision@0.75"] == 1 / 4
    assert figures["mean_iou"] == pytest.approx((1 + 80 / 120) / 2)
    assert figures["pq"] == pytest.approx(figures["f1@0.5"] * figures["mean_iou"])
    assert figures["msa"] == pytest.approx((2 / 5 + 1 / 6) / 2)


def test_nothing_expected_and_nothing_found():
    empty = np.zeros_like(TRUTH)
    both = score_labels(empty, empty, (0.5,)).figures()
    assert both["precision@0.5"] == both["recall@0.5"] == both["pq"] == both["boundary_f"] == 1
    blind = score_labels(empty, TRUTH, (0.5,)).figures()
    assert blind["precision@0.5"] == blind["recall@0.5"] == blind["boundary_f"] == 0
    seeing = score_labels(TRUTH, empty, (0.5,)).figures()
    assert seeing["precision@0.5"] == 0 and seeing["recall@0.5"] == 1


@pytest.mark.parametrize(
    ("shift", "tolerance", "expected"), [(0, 0, 1.0), (2, 2, 1.0), (2, 1, 20 / 36), (0, 5, 1)]
)
def test_outlines_agree_within_a_tolerance(shift, tolerance, expected):
    one, other = squares((10, 10)), squares((10, 10 + shift))
    boundary = measure_boundary(one, other, tolerance)
    assert boundary.found == boundary.expected == 36
    assert boundary.f == pytest.approx(expected)
    assert boundary.f == measure_boundary(other, one, tolerance).f


def test_touching_objects_have_an_outline_between_them():
    pair = np.ones((20, 20), int)
    pair[:, 10:] = 2
    assert measure_boundary(pair, pair > 0).found == 40
    assert measure_boundary(pair, pair > 0).expected == 0  # the picture's edge is none
    with pytest.raises(EvaluationError, match="not negative"):
        measure_boundary(pair, pair, -1)


def test_pooled_figures_count_objects_and_not_pictures():
    good = score_labels(TRUTH, TRUTH, (0.5, 0.75))
    bad = score_labels(squares((30, 5)), squares((2, 2)), (0.5, 0.75))
    pooled = pool_scores([good, bad]).figures()
    assert pooled["ap@0.5"] == 3 / 5
    assert pooled["recall@0.5"] == 3 / 4
    assert pooled["mean_iou"] == 1
    lines = [good.boundary, bad.boundary]
    near = sum(b.found_near for b in lines), sum(b.expected_near for b in lines)
    assert [b.found for b in lines] == [108, 28]  # the picture's edge is no outline
    precision, recall = near[0] / 136, near[1] / 144
    assert pooled["boundary_f"] == pytest.approx(2 * precision * recall / (precision + recall))
    with pytest.raises(EvaluationError, match="no picture"):
        pool_scores([])
    with pytest.raises(EvaluationError, match="same thresholds"):
        pool_scores([good, score_labels(TRUTH, TRUTH, (0.5,))])
