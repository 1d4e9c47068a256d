"""Boxes as they are given, or of the objects of a label image or a mask."""

import numpy as np
import pytest

from napari_sam_onnx import automask, generate_masks
from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.automatic.finders.boxes import boxes_of
from tests.automatic.test_seeds import PICTURE, TRUTH, same_objects
from tests.fakes import ComponentModel


def test_a_box_per_object_keeps_the_order_and_the_count():
    boxes = [(30, 60, 50, 80), (10, 10, 30, 30), (28, 58, 52, 82)]
    masks = generate_masks(PICTURE, ComponentModel(), "boxes", boxes=boxes)
    assert [mask.bbox for mask in masks] == [(32, 62, 49, 79), (12, 12, 29, 29), (32, 62, 49, 79)]
    merged = generate_masks(PICTURE, ComponentModel(), "boxes", boxes=boxes, max_overlap=0.5)
    assert [mask.bbox for mask in merged] == [(32, 62, 49, 79), (12, 12, 29, 29)]


@pytest.mark.parametrize("names", [(0, 1, 2, 3), (0, 9, 4_000_000_000, 17)])
def test_a_label_image_gives_the_boxes_of_its_objects(names):
    labels = np.array(names, np.uint32)[TRUTH]
    boxes, numbers = boxes_of(labels, labels.shape)
    assert numbers.tolist() == sorted(names)[1:]
    for name, box in zip(sorted(names)[1:], boxes, strict=True):
        rows, columns = np.nonzero(labels == name)
        expected = rows.min() - 0.5, columns.min() - 0.5, rows.max() + 0.5, columns.max() + 0.5
        assert tuple(box) == expected
    masks = generate_masks(PICTURE, ComponentModel(), "boxes", boxes=labels)
    assert same_objects(sum((i + 1) * np.asarray(m) for i, m in enumerate(masks)), TRUTH)
    assert same_objects(automask(PICTURE, ComponentModel(), "boxes", boxes=PICTURE > 0), TRUTH)
    # the objects keep their numbers
    np.testing.assert_array_equal(
        automask(PICTURE, ComponentModel(), "boxes", boxes=labels), labels
    )


def test_numbers_stay_with_their_objects_where_others_are_left_out():
    labels = np.array([0, 40, 30, 20], np.uint8)[TRUTH]
    labels[50:55, 5:10] = 35  # nothing bright there
    kept = automask(PICTURE, ComponentModel(), "boxes", boxes=labels)
    np.testing.assert_array_equal(kept, np.array([0, 40, 30, 20])[TRUTH])


@pytest.mark.parametrize("mask", [PICTURE, PICTURE > 0, (PICTURE > 0).astype(np.int32)])
def test_a_mask_of_two_values_gives_its_regions(mask):
    boxes, numbers = boxes_of(mask, mask.shape)
    assert numbers is None and len(boxes) == 3
    assert same_objects(automask(PICTURE, ComponentModel(), "boxes", boxes=mask), TRUTH)


def test_a_single_object_keeps_its_number():
    one = np.where(TRUTH == 2, 7, 0).astype(np.uint8)
    assert boxes_of(one, one.shape)[1].tolist() == [7]
    assert boxes_of(one // 7 * 255, one.shape)[1] is None


def test_a_label_image_without_background_and_an_empty_one():
    full = np.array([[4, 4, 9]] * 5)
    np.testing.assert_array_equal(
        boxes_of(full, full.shape)[0], [[-0.5, -0.5, 4.5, 1.5], [-0.5, 1.5, 4.5, 2.5]]
    )
    assert boxes_of(np.zeros((5, 3), int), (5, 3))[0].shape == (0, 4)
    assert boxes_of([], (5, 3))[0].shape == (0, 4)
    nothing = automask(PICTURE, ComponentModel(), "boxes", boxes=np.zeros((60, 100), bool))
    assert not nothing.any()


def test_boxes_that_make_no_sense_are_refused():
    model = ComponentModel()
    with pytest.raises(ParameterError, match="only with it"):
        automask(PICTURE, model, "grid", boxes=[(0, 0, 3, 3)])
    with pytest.raises(ParameterError, match="only with it"):
        automask(PICTURE, model, "boxes")
    with pytest.raises(ParameterError, match="got shape"):
        automask(PICTURE, model, "boxes", boxes=np.zeros((7, 7), int))
    with pytest.raises(ParameterError, match="negative"):
        automask(PICTURE, model, "boxes", boxes=np.full((60, 100), -1))
    with pytest.raises(ParameterError, match="whole numbers"):
        automask(PICTURE, model, "boxes", boxes=np.zeros((60, 100)))
