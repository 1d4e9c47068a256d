"""TRA, DET and SEG by hand: every operation of the measure, once."""

import numpy as np
import pytest

from napari_sam_onnx.evaluation.evaluate import EvaluationError
from napari_sam_onnx.evaluation.evaluate_tracks import evaluate_tracks


@pytest.fixture
def truth():
    """Two tracks over three frames: six objects, four links."""
    series = np.zeros((3, 8, 12), np.int32)
    series[:, 1:4, 1:5] = 1
    series[:, 1:4, 7:11] = 2
    return series


def test_the_truth_is_perfect(truth):
    judged = evaluate_tracks(truth, truth)
    assert (judged.tra, judged.det, judged.seg) == (1, 1, 1)
    assert (judged.objects, judged.links) == (6, 4)


def test_numbers_may_differ(truth):
    assert evaluate_tracks(truth * 7, truth).tra == 1


def test_a_missed_object_costs_itself_and_its_links(truth):
    labels = truth.copy()
    labels[1][labels[1] == 2] = 0
    judged = evaluate_tracks(labels, truth)
    # Without it the labels link frame 0 to frame 2, which the truth does not.
    assert (judged.missed, judged.edges_added, judged.edges_deleted) == (1, 2, 1)
    assert judged.det == pytest.approx(1 - 10 / 60)
    assert judged.tra == pytest.approx(1 - (10 + 2 * 1.5 + 1) / (60 + 4 * 1.5))
    assert judged.seg == pytest.approx(5 / 6)


def test_a_false_object_costs_one(truth):
    labels = truth.copy()
    labels[0, 6:8, 1:3] = 3
    judged = evaluate_tracks(labels, truth)
    assert (judged.false, judged.edges_deleted) == (1, 0)
    assert judged.tra == pytest.approx(1 - 1 / 66)


def test_two_objects_in_one_are_to_be_split(truth):
    labels = truth.copy()
    labels[2, 1:4, 1:11] = 1
    judged = evaluate_tracks(labels, truth)
    assert (judged.splits, judged.missed, judged.edges_added) == (1, 0, 2)
    assert judged.det == pytest.approx(1 - 5 / 60)
    assert judged.seg == pytest.approx((4 + 2 * 12 / 30) / 6)


def test_a_swap_costs_its_links(truth):
    labels = truth.copy()
    labels[2] = np.where(truth[2] == 1, 2, np.where(truth[2] == 2, 1, 0))
    judged = evaluate_tracks(labels, truth)
    assert (judged.edges_deleted, judged.edges_added) == (2, 2)
    assert judged.det == 1 and judged.tra == pytest.approx(1 - (2 + 3) / 66)


def test_a_division_is_a_link_of_another_kind(truth):
    divided = truth.copy()
    divided[2] = np.where(truth[2] == 1, 3, truth[2])
    judged = evaluate_tracks(truth, divided, {}, {3: 1})
    assert (judged.edges_changed, judged.edges_added) == (1, 0)
    assert evaluate_tracks(divided, divided, {3: 1}, {3: 1}).tra == 1
    assert evaluate_tracks(divided, divided, {}, {3: 1}).edges_added == 1


def test_half_an_object_is_no_match(truth):
    labels = truth.copy()
    labels[:, :, 3:5] = 0  # exactly half of object 1
    assert evaluate_tracks(labels, truth).missed == 3


def test_nothing_against_nothing_and_bad_input(truth):
    empty = np.zeros_like(truth)
    assert evaluate_tracks(empty, empty).tra == 1
    assert evaluate_tracks(truth, empty).tra == 0
    assert evaluate_tracks(empty, truth).tra == 0
    with pytest.raises(EvaluationError, match="one size"):
        evaluate_tracks(truth, truth[:2])
    with pytest.raises(EvaluationError, match="time as its first axis"):
        evaluate_tracks(truth[0], truth[0])
