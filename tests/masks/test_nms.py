"""Suppression of many boxes keeps what comparing all with all keeps."""

import numpy as np
import pytest

from napari_sam_onnx.masks import nms
from napari_sam_onnx.masks.nms import iterate_touching, keep_first, suppress_overlapping


def scatter(count, seed=0):
    """Boxes of very different sizes, many of which overlap; some are equal, empty or thin."""
    random = np.random.default_rng(seed)
    corners = random.uniform(-50, 900, (count, 2))
    sides = random.lognormal(3, 1.2, (count, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1)
    boxes[: count // 10] = boxes[-1]
    boxes[count // 10 : count // 5] += random.uniform(-3, 3, (count // 5 - count // 10, 4))
    boxes[:5, 2:] = boxes[:5, :2]
    return boxes, random.uniform(0.5, 1, count).round(2)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_many_boxes_are_suppressed_like_few(threshold, monkeypatch):
    boxes, scores = scatter(700)
    few = suppress_overlapping(boxes, scores, threshold)
    monkeypatch.setattr(nms, "_FEW", 0)
    monkeypatch.setattr(nms, "_PAIRS", 5000)
    np.testing.assert_array_equal(suppress_overlapping(boxes, scores, threshold), few)
    assert (1 < len(few) < 700) == (threshold < 1)


def test_whole_pixels_are_suppressed_as_well(monkeypatch):
    boxes = np.floor(scatter(700, seed=1)[0])
    few = suppress_overlapping(boxes, np.ones(700), 0.5)
    monkeypatch.setattr(nms, "_FEW", 0)
    np.testing.assert_array_equal(suppress_overlapping(boxes, np.ones(700), 0.5), few)


def test_most_boxes_far_apart_are_never_compared():
    boxes = np.array(
        [[y, x, y + 10, x + 10] for y in range(0, 2000, 40) for x in range(0, 2000, 40)]
    )
    pairs = sum(len(some) for some in iterate_touching(boxes.astype(float)))
    assert pairs < 3 * len(boxes)


def test_only_those_that_were_kept_exclude_others():
    order = np.array([3, 1, 0, 2])
    pairs = np.array([[1, 3], [0, 1], [0, 1], [2, 0]])
    assert keep_first(order, pairs).tolist() == [3, 0]
    assert keep_first(order, np.zeros((0, 2), np.intp)).tolist() == [3, 1, 0, 2]
