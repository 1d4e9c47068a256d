from dataclasses import replace

import numpy as np
import pytest

from napari_sam_onnx.evaluation.evaluate import (
    THRESHOLDS,
    EvaluationError,
    average_precision,
    average_recall,
    evaluate_labels,
)
from napari_sam_onnx.masks.mask import Mask


def rows(*lengths, width=100, start=1):
    """A label image whose i-th row has one object of that many pixels."""
    labels = np.zeros((len(lengths), width), np.int32)
    for i, length in enumerate(lengths):
        labels[i, :length] = start + i
    return labels


def test_each_threshold_counts_the_pairs_that_reach_it():
    truth = rows(100, 100, 100, 100)
    found = rows(100, 82, 50, 20)  # IoU 1, 0.82, 0.5, 0.2
    expected = {0.5: 3, 0.55: 2, 0.8: 2, 0.85: 1, 0.95: 1}
    evaluation = evaluate_labels(found, truth)
    for threshold, hits in expected.items():
        matching = evaluation.at(threshold)
        assert matching.true_positives == hits
        assert matching.false_positives == matching.false_negatives == 4 - hits
        assert matching.average_precision == pytest.approx(hits / (8 - hits))
        assert matching.f1 == pytest.approx(hits / 4)
    hits = np.array([3] + [2] * 6 + [1] * 3)
    np.testing.assert_allclose(average_precision(found, truth), hits / (8 - hits))
    assert evaluation.msa == pytest.approx((hits / (8 - hits)).mean())
    assert evaluation.at(0.5).mean_iou == pytest.approx((1 + 0.82 + 0.5) / 3)
    assert THRESHOLDS[0] == 0.5 and THRESHOLDS[-1] == 0.95 and len(THRESHOLDS) == 10


def test_the_numbers_themselves_do_not_matter():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 9, (40, 40)).repeat(3, 0).repeat(3, 1)
    found = np.roll(truth, 1, axis=0)
    names = np.array([0, 4_000_000_000, 7, 12, 900_000, 2, 3_999_999_999, 31, 5], np.uint32)
    np.testing.assert_array_equal(
        average_precision(names[found], truth.astype(np.int16)), average_precision(found, truth)
    )


def test_one_object_matches_one_other_even_where_thresholds_leave_a_choice():
    truth = np.array([[1] * 6 + [2] * 6])
    found = np.array([[7] * 4 + [8] * 5 + [0] * 3])  # 8 covers two of 1 and three of 2
    low = evaluate_labels(found, truth, [0.2]).at(0.2)
    assert sorted(zip(low.labels, low.truth, strict=True)) == [(7, 1), (8, 2)]
    np.testing.assert_allclose(sorted(low.iou), [3 / 8, 4 / 6])


def test_more_pairs_come_before_better_pairs():
    truth = np.array([[0] * 13 + [1] * 20 + [2] * 18])
    found = np.array([[6] * 18 + [5] * 20 + [0] * 13])  # IoU of 5 and 1: 0.6, others 0.15
    assert evaluate_labels(found, truth, [0.5]).at(0.5).iou.tolist() == [0.6]
    matching = evaluate_labels(found, truth, [0.1]).at(0.1)
    assert sorted(zip(matching.labels, matching.truth, strict=True)) == [(5, 2), (6, 1)]


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [((0, 0), (0, 0), 1.0), ((5, 5), (0, 0), 0.0), ((0, 0), (5, 5), 0.0)],
)
def test_empty_images(found, truth, expected):
    evaluation = evaluate_labels(rows(*found), rows(*truth))
    assert evaluation.msa == expected
    assert evaluation.at(0.5).f1 == expected
    assert np.isnan(evaluation.at(0.5).mean_iou)


def test_stacks_and_boolean_masks_are_label_images_too():
    truth = np.zeros((3, 8, 8), bool)
    truth[1:, 2:5, 2:5] = True
    assert average_precision(truth, truth.astype(np.uint32)).tolist() == [1.0] * 10


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(EvaluationError, match="of one size"):
        evaluate_labels(np.zeros((2, 3), int), np.zeros((3, 2), int))
    with pytest.raises(EvaluationError, match="whole numbers"):
        evaluate_labels(np.zeros((2, 2)), np.zeros((2, 2), int))
    with pytest.raises(EvaluationError, match="negative"):
        evaluate_labels(np.zeros((2, 2), int), np.full((2, 2), -1))
    with pytest.raises(EvaluationError, match="threshold"):
        evaluate_labels(np.zeros((2, 2), int), np.zeros((2, 2), int), [50])
    with pytest.raises(EvaluationError, match="no threshold"):
        evaluate_labels(np.zeros((2, 2), int), np.zeros((2, 2), int)).at(0.3)


def draw_square(y, x, side, rating):
    plane = np.zeros((40, 40), bool)
    plane[y : y + side, x : x + side] = True
    return replace(Mask.from_array(plane), rating=rating)


def test_average_recall_counts_the_best_rated_proposals():
    truth = np.zeros((40, 40), int)
    truth[2:12, 2:12], truth[20:30, 20:30] = 3, 7
    exact, loose = draw_square(2, 2, 10, 0.5), draw_square(2, 2, 12, 0.9)  # IoU 1 and 0.69
    beside, other = draw_square(20, 2, 10, 0.8), draw_square(20, 20, 10, 0.1)
    masks = [exact, beside, other, loose]
    assert average_recall(masks, truth, 1) == pytest.approx(0.5 * 4 / 10)  # 0.5 to 0.65
    assert average_recall(masks, truth, 2) == pytest.approx(0.5 * 4 / 10)
    assert average_recall(masks, truth, 3) == pytest.approx(0.5)
    assert average_recall(masks, truth, 9) == 1.0
    assert average_recall([loose, exact, exact], truth, 3, [0.5]) == 0.5  # an object counts once
    assert average_recall([], truth, 10) == 0.0 and average_recall([], truth * 0, 10) == 1.0
    unrated = replace(exact, rating=float("nan"))
    assert average_recall([unrated, beside], truth, 1) == 0.0


def test_average_recall_refuses_what_does_not_fit():
    with pytest.raises(EvaluationError, match="one size"):
        average_recall([draw_square(2, 2, 10, 1.0)], np.ones((30, 40), int), 5)
    with pytest.raises(EvaluationError, match="K of 1 or more"):
        average_recall([], np.ones((4, 4), int), 0)
