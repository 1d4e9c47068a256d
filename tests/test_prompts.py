import numpy as np
import pytest

from napari_sam_onnx.prompts import PromptError, make_prompts

SHAPE = (40, 60)


def test_a_single_click_is_ambiguous_and_positive_by_default():
    prompts = make_prompts([(3, 5)], plane_shape=SHAPE)
    assert prompts.ambiguous
    np.testing.assert_array_equal(prompts.points, [[3.0, 5.0]])
    np.testing.assert_array_equal(prompts.labels, [1])


def test_more_than_a_click_is_not_ambiguous():
    assert not make_prompts([(3, 5), (4, 4)], [1, 0], plane_shape=SHAPE).ambiguous
    assert not make_prompts([(3, 5)], box=(0, 0, 9, 9), plane_shape=SHAPE).ambiguous


def test_box_corners_come_in_any_order_and_are_clipped_to_the_plane():
    prompts = make_prompts(box=(50, 30, 5, -20), plane_shape=SHAPE)
    np.testing.assert_array_equal(prompts.box, [5, -0.5, 39.5, 30])


@pytest.mark.parametrize("corner", [(-0.5, -0.5), (39.5, 59.5)])
def test_the_border_pixels_belong_to_the_plane(corner):
    assert make_prompts([corner], plane_shape=SHAPE).points.tolist() == [list(corner)]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"points": [(40, 5)]}, "outside the picture of 40 × 60"),
        ({"points": [(3, -1)]}, "outside"),
        ({"points": [(3, np.nan)]}, "finite"),
        ({"points": [(3, 5, 7)]}, "pairs"),
        ({"points": [(3, 5)], "labels": [1, 0]}, "1 points need 1 labels"),
        ({"points": [(3, 5)], "labels": [2]}, "0 \\(background\\)"),
        ({"points": [(3, 5)], "labels": [0]}, "on the object"),
        ({}, "on the object"),
        ({"points": []}, "on the object"),
        ({"box": (70, 70, 80, 80)}, "no area"),
        ({"box": (5, 5, 5, 9)}, "no area"),
        ({"box": (5, 5, 9)}, "shape"),
        ({"box": (5, 5, 9, np.inf)}, "finite"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_sentence(kwargs, words):
    with pytest.raises(PromptError, match=words) as error:
        make_prompts(**kwargs, plane_shape=SHAPE)
    assert "\n" not in str(error.value)
