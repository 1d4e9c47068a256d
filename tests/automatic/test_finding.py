"""Limits that move repaint a result, and never what somebody corrected since."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam_onnx.automatic import MaskSet, Selection
from napari_sam_onnx.automatic.finding import Finding, PackedPlane
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.planes import ArrayLabels
from napari_sam_onnx.stacks import iterate_stack
from tests.fakes import ComponentModel, draw_discs

SHAPE = (40, 60)


def square(y: int, x: int, side: int, rating: float) -> Mask:
    return Mask(SHAPE, (y, x), np.ones((side, side), bool), rating, 0.9, rating=rating)


def make(before: np.ndarray | None = None) -> tuple[np.ndarray, Finding]:
    """Three objects of which the last is doubtful: 1, 2 and one without a number."""
    masks = (square(2, 2, 8, 0.9), square(2, 20, 10, 0.8), square(20, 30, 12, 0.4))
    found = MaskSet(np.zeros((*SHAPE, 3), np.uint8), masks, Selection(min_rating=0.6)).settle()
    labels = np.zeros(SHAPE, np.uint32) if before is None else before.copy()
    first = int(labels.max()) + 1
    painted = found.paint()
    labels[painted > 0] = painted[painted > 0] + first - 1
    finding = Finding(ArrayLabels(labels, "YX"))
    numbers = np.array([first, first + 1, 0], np.uint32)
    finding.add((), found, numbers, labels, before)
    return labels, finding


def test_limits_show_and_hide_and_numbers_stay() -> None:
    labels, finding = make()
    assert finding.count((), Selection(min_rating=0.6)) == (2, 3)
    assert finding.repaint((), Selection(min_rating=0.85), 3) == 3
    assert np.unique(labels).tolist() == [0, 1]
    assert finding.repaint((), Selection(), 7) == 8
    assert np.unique(labels).tolist() == [0, 1, 2, 7] and labels[25, 35] == 7
    finding.repaint((), Selection(min_area=110), 8)
    assert np.unique(labels).tolist() == [0, 7]
    finding.repaint((), Selection(min_rating=0.6), 8)
    assert np.unique(labels).tolist() == [0, 1, 2] and labels[2, 2] == 1
    assert not finding.is_corrected()


def test_what_was_corrected_since_is_left_alone_however_often_limits_move() -> None:
    labels, finding = make()
    labels[2:6, 20:30] = 0  # cut
    labels[30, 5:15] = 9  # drawn
    kept = labels.copy()
    assert finding.is_corrected() and finding.corrected_on(()) == {2, 9}
    for rating in (0.85, 0.95, 0.0, 0.95):
        finding.repaint((), Selection(min_rating=rating), 10)
    assert np.unique(labels).tolist() == [0, 2, 9]  # 1 is left out, these two are somebody's
    np.testing.assert_array_equal(labels == 2, kept == 2)
    np.testing.assert_array_equal(labels == 9, kept == 9)
    labels[2:6, 20:30] = 2  # the cut is undone
    finding.repaint((), Selection(min_rating=0.95), 10)
    assert np.unique(labels).tolist() == [0, 9]


def test_a_deleted_object_does_not_come_back_and_one_drawn_over_a_mask_stays_alone() -> None:
    labels, finding = make()
    labels[labels == 1] = 0
    labels[20:32, 30:40] = 5
    finding.repaint((), Selection(), 6)
    assert np.unique(labels).tolist() == [0, 2, 5]  # no sliver of the third mask beside 5
    labels[20:32, 32:40] = 0
    finding.repaint((), Selection(min_solidity=0.5), 6)
    assert np.unique(labels).tolist() == [0, 2, 5, 6]  # there is room for most of it now
    assert (labels[20:32, 30:32] == 5).all()


def test_labels_that_were_there_stay_and_come_back() -> None:
    before = np.zeros(SHAPE, np.uint32)
    before[30:38, 2:10] = 4
    labels, finding = make(before)
    assert np.unique(labels).tolist() == [0, 4, 5, 6]
    finding.repaint((), Selection(min_rating=0.95), 7)
    np.testing.assert_array_equal(labels, before)
    finding.repaint((), Selection(min_rating=0.6), 7)
    labels[30:34, 2:10] = 0  # somebody cuts what was there before
    labels[2:4, 2:10] = 8
    finding.repaint((), Selection(min_rating=0.7), 9)
    assert (labels[30:34, 2:10] == 0).all() and (labels[34:38, 2:10] == 4).all()
    without = finding.without(())
    assert np.unique(without).tolist() == [0, 4, 5, 8]  # 5 lost pixels to 8: it is corrected
    assert finding.take_back()
    assert np.unique(labels).tolist() == [0, 4, 8] and (labels == 8).sum() == 16
    assert finding.put_again() and (labels == 6).sum() == 100
    assert (labels[2:4, 2:10] == 8).all() and not finding.put_again()


def test_planes_are_kept_apart_and_packed() -> None:
    stack = np.stack([draw_discs(SHAPE, [(12 + z, 12), (25, 45)], 6) for z in range(3)])
    labels = np.zeros(stack.shape, np.uint32)
    finding = Finding(ArrayLabels(labels, "ZYX"))
    for update in iterate_stack(stack, ComponentModel(), "ZYX", "z", "objects", keep=True):
        if update.labels is not None:
            labels[update.index] = update.labels
            finding.add(update.index, update.found, update.numbers, update.labels)
            assert not update.found.rgb.any() and update.settings is not None
    kept = labels.copy()
    assert [plane.numbers.tolist() for plane in finding.planes.values()] == [[1, 2]] * 3
    for z in (1, 0, 1):
        finding.repaint((z,), Selection(max_area=1), 3)
    assert not labels[:2].any() and labels[2].any()
    finding.repaint((0,), Selection(), 3)
    np.testing.assert_array_equal(labels[0], kept[0])
    plane = finding.planes[(2,)].painted
    np.testing.assert_array_equal(plane.unpack(), kept[2])
    assert isinstance(plane, PackedPlane) and len(plane.data) < kept[2].nbytes / 10


def test_numbers_run_out_in_one_sentence() -> None:
    _, finding = make()
    with pytest.raises(LabelError, match="does not fit"):
        finding.repaint((), Selection(), 2**32)
