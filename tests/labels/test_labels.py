import numpy as np
import pytest

from napari_sam_onnx.labels.label_image import (
    LARGEST_LABEL,
    LabelError,
    commit_mask,
    free_label,
    paint_masks,
)
from napari_sam_onnx.labels.linking import count_overlaps, link_labels, match_pairs, measure_areas
from napari_sam_onnx.masks.mask import Mask

SHAPE = (12, 20)


def box_mask(y0, x0, y1, x1, iou=0.5, shape=SHAPE):
    return Mask(shape, (y0, x0), np.ones((y1 - y0, x1 - x0), bool), predicted_iou=iou)


def plane(*boxes, shape=SHAPE):
    labels = np.zeros(shape, np.uint32)
    for number, (y0, x0, y1, x1) in boxes:
        labels[y0:y1, x0:x1] = number
    return labels


BIG, SMALL, APART = box_mask(0, 0, 10, 10, 0.9), box_mask(2, 2, 5, 5, 0.4), box_mask(6, 14, 9, 18)


def test_masks_keep_the_order_of_their_numbers():
    labels = paint_masks([APART, BIG, SMALL], SHAPE, start=5)
    assert labels.dtype == np.uint32
    assert [labels[7, 15], labels[9, 9], labels[3, 3]] == [5, 6, 7]


def test_the_background_is_never_an_owner_and_no_mask_becomes_it():
    labels = paint_masks([BIG, SMALL, APART], SHAPE)
    union = np.asarray(BIG) | np.asarray(SMALL) | np.asarray(APART)
    np.testing.assert_array_equal(labels > 0, union)
    assert set(np.unique(labels)) == {0, 1, 2, 3}


@pytest.mark.parametrize(("overlap", "owner"), [("smaller", 2), ("certain", 1), ("first", 1)])
def test_shared_pixels_have_the_declared_owner(overlap, owner):
    assert paint_masks([BIG, SMALL], SHAPE, overlap)[3, 3] == owner
    assert paint_masks([SMALL, BIG], SHAPE, overlap)[3, 3] == (1 if overlap != "certain" else 2)


def test_of_equal_masks_the_more_certain_then_the_earlier_is_on_top():
    sure, unsure = box_mask(0, 0, 3, 3, 0.9), box_mask(1, 1, 4, 4, 0.2)
    assert paint_masks([unsure, sure], SHAPE)[2, 2] == 2
    assert paint_masks([sure, sure], SHAPE)[2, 2] == 1
    assert paint_masks([sure, box_mask(1, 1, 4, 4, float("nan"))], SHAPE)[2, 2] == 1


def test_empty_masks_and_no_masks():
    empty = Mask(SHAPE, (0, 0), np.zeros((0, 0), bool))
    np.testing.assert_array_equal(np.unique(paint_masks([empty, SMALL], SHAPE)), [0, 2])
    assert not paint_masks([], SHAPE).any()


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(LabelError, match="does not fit"):
        paint_masks([BIG, SMALL], SHAPE, start=LARGEST_LABEL)
    assert paint_masks([BIG], SHAPE, start=LARGEST_LABEL)[0, 0] == LARGEST_LABEL
    with pytest.raises(LabelError, match="does not fit"):
        paint_masks([BIG], SHAPE, start=0)
    with pytest.raises(LabelError, match="does not fit"):
        free_label(np.array([[LARGEST_LABEL]], np.uint32))
    with pytest.raises(LabelError, match="uint32"):
        commit_mask(np.zeros(SHAPE, np.uint8), SMALL, 256)
    with pytest.raises(LabelError, match="'smaller'"):
        paint_masks([BIG], SHAPE, "best")
    with pytest.raises(LabelError, match="plane"):
        paint_masks([BIG], (3, 3))


def test_the_free_label_follows_the_largest():
    assert free_label(np.zeros((0, 3), np.uint32)) == 1
    assert free_label(np.zeros((3, 3), np.int64)) == 1
    assert free_label(np.array([[0, 7, 3]])) == 8
    assert free_label(np.array([[-1, -1]])) == 1


def test_a_commit_takes_only_pixels_that_nobody_owns():
    labels = plane((4, (0, 0, 4, 4)))
    rows, columns = commit_mask(labels, SMALL, 9)
    assert labels.max() == 4  # nothing is written
    labels[rows, columns] = 9
    np.testing.assert_array_equal(labels[2:5, 2:5], [[4, 4, 9], [4, 4, 9], [9, 9, 9]])


def test_a_commit_that_overwrites_takes_all_and_changes_nothing_twice():
    labels = plane((4, (0, 0, 4, 4)))
    labels[commit_mask(labels, SMALL, 9, overwrite=True)] = 9
    np.testing.assert_array_equal(labels == 9, np.asarray(SMALL))
    assert len(commit_mask(labels, SMALL, 9, overwrite=True)[0]) == 0


def test_a_commit_to_labels_of_another_size_is_refused():
    with pytest.raises(LabelError, match="same size"):
        commit_mask(np.zeros((5, 5), np.uint32), SMALL, 1)


def test_overlaps_are_counted_per_pair():
    a, b = plane((3, (0, 0, 4, 4)), (9, (5, 0, 8, 4))), plane((7, (2, 2, 6, 6)))
    found = [tuple(int(v) for v in row) for row in zip(*count_overlaps(a, b), strict=True)]
    assert found == [(3, 7, 4), (9, 7, 2)]


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (9, 13), (2, 5, 7)])
def test_counts_are_those_of_counting_every_pixel(shape):
    rng = np.random.default_rng(1)
    names = np.array([0, 3, 4_000_000_000, 17], np.uint32)
    a, b = names[rng.integers(0, 4, shape)], names[rng.integers(0, 4, shape)]
    areas = {int(i): int((a == i).sum()) for i in np.unique(a) if i}
    assert dict(zip(*(v.tolist() for v in measure_areas(a)), strict=True)) == areas
    pairs = {
        (int(i), int(j)): int(((a == i) & (b == j)).sum()) for i in names[1:] for j in names[1:]
    }
    found = zip(*(v.tolist() for v in count_overlaps(a, b)), strict=True)
    assert {(i, j): n for i, j, n in found} == {k: n for k, n in pairs.items() if n}


def test_pairs_are_chosen_as_by_one_large_assignment():
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(3)
    for _ in range(20):
        table = np.where(rng.random((9, 12)) < 0.25, rng.random((9, 12)), 0)
        rows, columns = np.nonzero(table)
        chosen = match_pairs(rows, columns, table[rows, columns])
        assert len(set(rows[chosen])) == len(set(columns[chosen])) == len(chosen)
        best = table[linear_sum_assignment(table, maximize=True)].sum()
        assert table[rows[chosen], columns[chosen]].sum() == pytest.approx(best)


def test_linking_keeps_numbers_and_numbers_newcomers():
    before = plane((11, (0, 0, 4, 4)), (12, (0, 8, 4, 12)))
    now = plane((1, (1, 8, 5, 12)), (2, (1, 0, 5, 4)), (3, (8, 8, 12, 12)))
    linked, free = link_labels(before, now, 13)
    assert linked.dtype == np.uint32
    assert [linked[2, 9], linked[2, 1], linked[9, 9]] == [12, 11, 13]
    assert free == 14
    np.testing.assert_array_equal(linked > 0, now > 0)


def test_linking_is_one_to_one():
    before = plane((5, (0, 0, 6, 6)))
    split = plane((1, (0, 0, 6, 4)), (2, (0, 4, 6, 6)))  # the larger part keeps the number
    linked, free = link_labels(before, split, 6)
    assert (linked[0, 0], linked[0, 5], free) == (5, 6, 7)


def test_linking_takes_the_best_sum_of_overlaps_not_the_first_that_fits():
    before = plane((1, (0, 0, 1, 10)), (2, (0, 10, 1, 20)))
    now = plane((1, (0, 4, 1, 13)), (2, (0, 0, 1, 4)))
    linked, _ = link_labels(before, now, 3)  # alone, 1 would take 1; then 2 found none
    assert (linked[0, 0], linked[0, 5]) == (1, 2)


def test_objects_that_hardly_overlap_are_strangers():
    before, now = plane((4, (0, 0, 1, 10))), plane((1, (0, 9, 1, 19)))
    assert link_labels(before, now, 5)[0].max() == 5
    assert link_labels(before, now, 5, min_iou=0.05)[0].max() == 4


def test_linking_runs_out_of_numbers_in_a_sentence():
    with pytest.raises(LabelError, match="does not fit"):
        link_labels(plane(), plane((1, (0, 0, 2, 2))), LARGEST_LABEL + 1)
    linked, _ = link_labels(plane(), plane((1, (0, 0, 2, 2))), LARGEST_LABEL)
    assert linked[0, 0] == LARGEST_LABEL
