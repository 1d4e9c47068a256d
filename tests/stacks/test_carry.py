import numpy as np
import pytest

import napari_sam_onnx as nso
from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.planes import ArrayLabels
from napari_sam_onnx.stacks.carry_object import carry_object, write_object
from napari_sam_onnx.stacks.carry_parameters import CarryParameters
from tests.fakes import ComponentModel, draw_discs

SHAPE = (60, 80)


def ball(depth=11, center=(30, 40), radius=12, drift=0.0):
    """A ball that touches nothing, its sections drifting to the right."""
    planes = []
    for z in range(depth):
        r2 = radius**2 - (2 * (z - depth // 2)) ** 2
        at = center[0], center[1] + drift * (z - depth // 2)
        planes.append(draw_discs(SHAPE, [at], max(r2, 0) ** 0.5) if r2 > 0 else np.zeros(SHAPE))
    return np.stack(planes).astype(np.uint8)


def carry(stack, known, **options):
    model = ComponentModel(scores=(0.95, 0.3, 0.1))
    return carry_object(stack, model, known, "ZYX", **options)


@pytest.mark.parametrize("drift", [0, 3])
def test_a_ball_from_its_middle_both_ways(drift):
    stack = ball(drift=drift)
    masks = carry(stack, {5: (30, 40)}, max_change=4)
    assert sorted(masks) == [z for z in range(11) if stack[z].sum() > 0.1 * stack[5].sum()]
    for plane, mask in masks.items():
        np.testing.assert_array_equal(np.asarray(mask), stack[plane] > 0)


def test_where_it_ends_and_why():
    stack = ball()
    stack[8] = draw_discs(SHAPE, [(10, 10)], 6)  # something else
    seen = []
    masks = carry(stack, {5: (30, 40)}, progress=seen.append, max_change=4)
    assert max(masks) == 7
    assert {step.plane: step.reason for step in seen if step.mask is None}[8] == (
        "what lies there is another object"
    )
    stack = ball()
    stack[7] = draw_discs(SHAPE, [(30, 40)], 25)
    seen.clear()
    assert max(carry(stack, {5: (30, 40)}, progress=seen.append, min_iou=0.1)) == 6
    assert "its size jumps" in [step.reason for step in seen]
    assert max(carry(stack, {5: (30, 40)}, min_iou=0.1, max_change=9, neck=0)) > 7
    assert sorted(carry(ball(), {5: (30, 40)}, span=(4, 6))) == [4, 5, 6]
    assert sorted(carry(ball(), {5: (30, 40)}, min_size=0.95)) == [4, 5, 6]


def test_it_ends_where_it_has_faded():
    stack = np.stack([draw_discs(SHAPE, [(30, 40)], 10)] * 6).astype(float)
    stack *= np.array([1, 1, 0.9, 0.6, 0.3, 0.2])[:, None, None]
    stack = (stack * 0.9).astype(np.uint8)
    model = ComponentModel(threshold=20)
    masks = carry_object(stack, model, {0: (30, 40)}, "ZYX")
    assert max(masks) == 3
    assert max(carry_object(stack, model, {0: (30, 40)}, "ZYX", min_contrast=0)) == 5


def test_another_object_beyond_a_neck():
    sizes = [12, 11, 9, 6, 4, 5, 9, 12, 12]
    stack = np.stack([draw_discs(SHAPE, [(30, 40)], size) for size in sizes])
    seen = []
    options = {"max_change": 4, "min_iou": 0.1}
    assert sorted(carry(stack, {0: (30, 40)}, **options)) == [0, 1, 2, 3, 4]
    masks = carry(stack, {0: (30, 40)}, progress=seen.append, neck=0.4, **options)
    assert sorted(masks) == [0, 1, 2, 3, 4]
    assert [s.plane for s in seen if s.reason == "another object begins"] == [5, 6]
    assert sorted(carry(stack, {0: (30, 40)}, max_change=4, min_iou=0.1, neck=0)) == list(range(9))


def test_several_known_planes_bound_it_and_stay():
    stack = ball(depth=13, radius=16)
    mine = np.zeros(SHAPE, bool)
    mine[28:33, 38:43] = True
    masks = carry(stack, {4: (30, 40), 8: mine}, max_change=90, min_iou=0.0, neck=0)
    np.testing.assert_array_equal(np.asarray(masks[8]), mine)
    assert {5, 6, 7} <= set(masks)
    np.testing.assert_array_equal(np.asarray(masks[6]), stack[6] > 0)


def test_time_beside_depth():
    series = np.stack([ball(), ball(drift=0)])
    masks = carry_object(
        np.moveaxis(series, 0, 1), ComponentModel(), {0: (30, 40)}, "ZTYX", "t", at={"Z": 5}
    )
    assert sorted(masks) == [0, 1]


def test_an_object_that_leaves_the_picture():
    frames = np.stack([draw_discs(SHAPE, [(30, 60 + 5 * t)], 9) for t in range(7)])
    masks = carry_object(frames, ComponentModel(), {0: (30, 60)}, "TYX", "t", max_change=5)
    assert {1, 2, 3} <= set(masks) and 6 not in masks


def test_a_box_and_what_is_written():
    masks = carry(ball(), {5: (15, 25, 45, 55)}, max_change=4)
    labels = np.zeros((11, *SHAPE), np.uint32)
    labels[5, 30, 40] = 9
    written = write_object(ArrayLabels(labels, "ZYX"), masks, "z", 4)
    assert written == sum(mask.area for mask in masks.values()) - 1
    assert labels[5, 30, 40] == 9 and labels[5, 30, 41] == 4


def test_what_cannot_be_carried():
    stack = ball()
    for known, options, word in [
        ({}, {}, "known on no plane"),
        ({0: (5, 5)}, {}, "known on no plane"),
        ({99: (5, 5)}, {}, "of 11"),
        ({5: (30, 40)}, {"along": "t"}, "cannot be carried along 't'"),
        ({5: (30, 40)}, {"span": (6, 8)}, "beyond 6 to 8"),
        ({5: (30, 40)}, {"span": (6, 80)}, "not among"),
        ({5: np.zeros(3)}, {}, "point .y, x."),
    ]:
        with pytest.raises(ImageError, match=word):
            carry(stack, known, **options)
    with pytest.raises(ParameterError, match="no setting 'speed'"):
        carry(stack, {5: (30, 40)}, speed=1)
    with pytest.raises(ParameterError, match="min_iou lies"):
        CarryParameters(min_iou=3)
    assert nso.carry_object is carry_object
