"""Flow fields made of known labels give the labels back."""

import numpy as np
import pytest

from napari_sam_onnx.generators import drive
from napari_sam_onnx.labels.linking import count_overlaps, measure_areas
from napari_sam_onnx.masks.flows import (
    FLOW_SCALE,
    FlowField,
    flows_of_labels,
    iterate_flow_labels,
    measure_flow_errors,
)


def draw_labels():
    """Touching discs, a bar, an object with a hole, and one at the border."""
    y, x = np.mgrid[:80, :100]
    labels = np.zeros((80, 100), np.int32)
    for number, (row, column, radius) in enumerate([(20, 20, 10), (20, 39, 9), (60, 5, 9)], 1):
        labels[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = number
    labels[30:70, 40:48] = 4
    labels[(y - 50) ** 2 + (x - 75) ** 2 <= 14**2] = 5
    return labels


def field_of(labels, scale=FLOW_SCALE):
    cell = np.where(labels > 0, 4, -4).astype(np.float32)
    return FlowField((scale * flows_of_labels(labels)).astype(np.float32), cell)


def run(field, **settings):
    return drive(iterate_flow_labels(field, **settings))


def best_ious(truth, found):
    areas, others = (
        dict(zip(*map(np.ndarray.tolist, measure_areas(a)), strict=True)) for a in (truth, found)
    )
    best = dict.fromkeys(areas, 0.0)
    for a, b, shared in zip(*map(np.ndarray.tolist, count_overlaps(truth, found)), strict=True):
        best[a] = max(best[a], shared / (areas[a] + others[b] - shared))
    return best


def test_objects_come_back_from_their_own_flow():
    labels = draw_labels()
    found = run(field_of(labels))
    assert found.labels.dtype == np.uint32
    assert set(np.unique(found.labels)) == {0, 1, 2, 3, 4, 5}
    assert min(best_ious(labels, found.labels).values()) > 0.97
    assert found.errors.shape == (5,) and found.errors.max() < 0.1


def test_the_flow_is_of_unit_length_and_points_inward():
    labels = draw_labels()
    flow = flows_of_labels(labels)
    assert flow.shape == (2, 80, 100)
    lengths = np.hypot(*flow)
    assert (lengths[labels == 0] == 0).all()
    assert np.median(lengths[labels > 0]) == pytest.approx(1)
    assert flow[0, 12, 20] > 0 > flow[0, 28, 20]  # down above the centre, up below it
    assert flow[1, 60, 1] > 0 and flow[1, 50, 85] < 0


def test_no_object_no_flow():
    assert not flows_of_labels(np.zeros((5, 6), int)).any()
    nothing = run(FlowField(np.zeros((2, 5, 6), np.float32), np.full((5, 6), -3, np.float32)))
    assert not nothing.labels.any() and nothing.errors.shape == (0,)


def test_a_hole_is_filled_and_a_small_object_left_out():
    labels = draw_labels()
    field = field_of(labels)
    field.cell[58, 69] = -4
    assert run(field).labels[58, 69] == run(field).labels[50, 75] != 0
    assert len(np.unique(run(field, min_area=400).labels)) == 2  # the largest disc alone


def test_the_cell_threshold_shrinks_objects():
    labels = draw_labels()
    field = field_of(labels)
    ramp = FlowField(field.flow, field.cell + np.float32(1) * (np.arange(100) < 20))
    assert (run(ramp, cell_threshold=4.5).labels > 0).sum() < (run(ramp).labels > 0).sum() / 2


def test_objects_that_contradict_the_flow_are_left_out():
    labels = draw_labels()
    field = field_of(labels)
    field.flow[:, 30:70, 40:48] *= np.float32(0.1)
    field.flow[0, 30:70, 40:48] = 2  # everything in the bar runs down, to one end
    kept = run(field).labels
    assert kept[50, 44] == 0 and kept[20, 20] != 0
    assert run(field, flow_threshold=0).labels[65, 44] != 0
    assert measure_flow_errors(labels, field)[3] > 0.4 > measure_flow_errors(labels, field)[0]


def test_too_few_steps_do_not_reach_the_sink():
    labels = draw_labels()
    far = run(field_of(labels), steps=2, flow_threshold=0).labels
    assert best_ious(labels, far)[5] < 0.9


def test_what_fills_the_plane_is_background():
    labels = np.ones((40, 40), np.int32)
    assert not run(field_of(labels)).labels.any()
