"""The masks of a run as a value: chosen from, measured, painted."""

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import label, regionprops
from skimage.morphology import disk

from napari_sam_onnx import automask, automask_stack, find_masks, generate_masks
from napari_sam_onnx.automatic import MaskSet, ParameterError, Selection, iterate_mask_set
from napari_sam_onnx.automatic.kept.features import measure_contrasts, measure_shapes, measure_sizes
from napari_sam_onnx.automatic.settings.modes import make_parameters, split_limits
from napari_sam_onnx.labels.label_image import paint_masks
from napari_sam_onnx.masks.mask import Mask
from tests.fakes import ComponentModel, draw_discs

SHAPE = (120, 160)


def place(crop, y, x, rating=0.9, **values):
    return Mask(SHAPE, (y, x), np.asarray(crop, bool), rating, 0.9, rating=rating, **values)


def make_set(masks, **values):
    rgb = np.full((*SHAPE, 3), 20, np.uint8)
    for mask in masks:
        rgb[mask.slices][mask.crop] = 200
    return MaskSet(rgb, tuple(masks), **values)


DISC, BAR = disk(10), np.ones((4, 40))
CROSS = np.zeros((31, 31))
CROSS[14:17], CROSS[:, 14:17] = 1, 1
ALL = make_set([place(DISC, 0, 20), place(BAR, 50, 10, 0.7), place(CROSS, 60, 100, 0.5)])


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({}, [0, 1, 2]),
        ({"min_rating": 0.7}, [0, 1]),
        ({"min_predicted_iou": 0.71}, [0]),
        ({"min_stability": 0.91}, []),
        ({"min_area": 161}, [0, 2]),
        ({"max_area": 177}, [1, 2]),
        ({"min_diameter": 15.5}, [0]),
        ({"max_diameter": 14.6}, [1]),
        ({"min_circularity": 0.8}, [0]),
        ({"min_solidity": 0.95}, [1]),
        ({"min_contrast": 0.7}, [0, 1, 2]),
        ({"min_contrast": 0.75}, []),
        ({"min_border_distance": 1}, [1, 2]),
        ({"min_border_distance": 11}, [2]),
        ({"max_fraction": 0.01}, [1, 2]),
    ],
)
def test_each_limit_leaves_out_what_it_says(limits, left):
    assert ALL.indices(Selection(**limits)).tolist() == left
    assert [ALL.masks.index(mask) for mask in ALL.choose(**limits)] == left


def test_every_limit_is_tested_above():
    tested = {
        name
        for mark in test_each_limit_leaves_out_what_it_says.pytestmark
        for limits, _ in mark.args[1]
        for name in limits
    }
    assert tested | {"max_overlap"} == {f.name for f in fields(Selection)}


def test_of_two_that_overlap_the_better_rated_stays_unless_a_limit_removes_it():
    better, worse = place(np.ones((10, 10)), 20, 20, 0.9), place(np.ones((10, 10)), 24, 20, 0.8)
    found = make_set([worse, better], selection=Selection(max_overlap=0.5))
    assert found.choose() == [better]
    assert found.choose(max_overlap=0.6) == [better, worse]  # they share 60 of 100
    assert found.choose(max_area=99) == []
    shrunk = make_set([worse, replace(better, stability=0.1)], selection=found.selection)
    assert shrunk.choose(min_stability=0.5) == [worse]  # what hid it is gone
    ordered = make_set([worse, better], ordered=True)
    assert ordered.choose() == [worse, better]
    assert ordered.choose(max_overlap=0.5) == [better]


def test_nothing_is_measured_twice():
    found = make_set([place(DISC, 20, 20)])
    shapes = found.feature("circularity")
    assert found.feature("circularity") is shapes
    measured = found.measure()
    assert measured["circularity"] is shapes
    assert all(values.shape == (1,) for values in measured.values())


def test_a_mask_that_no_run_rated_counts_by_its_predicted_iou():
    found = make_set([Mask(SHAPE, (5, 5), np.ones((3, 3), bool), 0.6)])
    assert found.feature("rating") == pytest.approx(0.6)
    assert found.choose(min_rating=0.61) == []


def test_shapes_are_those_of_scikit_image():
    rng = np.random.default_rng(3)
    blobs = label(gaussian_filter(rng.random((60, 80)), 2) > 0.53)
    props = [p for p in regionprops(blobs) if p.area > 20]
    masks = [Mask((60, 80), p.bbox[:2], p.image) for p in props]
    sizes, shapes = measure_sizes(masks), measure_shapes(masks)
    assert len(masks) > 3
    for i, p in enumerate(props):
        assert sizes["area"][i] == p.area
        assert sizes["diameter"][i] == pytest.approx(p.equivalent_diameter_area)
        assert shapes["perimeter"][i] == pytest.approx(p.perimeter)
        assert 0 < shapes["circularity"][i] <= 1
        assert shapes["solidity"][i] <= 1
        elongation = 1 - p.axis_minor_length / p.axis_major_length
        assert shapes["elongation"][i] == pytest.approx(elongation, abs=0.03)  # pixels are squares


def test_a_convex_object_is_solid_and_an_empty_mask_has_no_shape():
    masks = [place(np.ones((5, 9)), 3, 3), Mask(SHAPE, (0, 0), np.zeros((0, 0), bool))]
    solidity = measure_shapes(masks)["solidity"]
    assert solidity[0] == pytest.approx(1)
    assert np.isnan(solidity[1])
    assert np.isnan(measure_contrasts(masks, np.zeros((*SHAPE, 3), np.uint8))["contrast"][1])


def test_contrast_compares_with_a_ring_that_the_plane_may_cut():
    found = make_set([place(np.ones((6, 6)), 0, 0)])
    assert found.feature("contrast") == pytest.approx(180 / 255)
    assert found.feature("brightness") == pytest.approx(200 / 255)
    whole = make_set([place(np.ones(SHAPE), 0, 0)])
    assert whole.feature("contrast") == 0


def test_a_selection_refuses_what_it_does_not_know():
    with pytest.raises(ParameterError, match="no limit 'roundness'"):
        ALL.choose(roundness=1)
    with pytest.raises(ParameterError, match="min_solidity lies from 0 to 1"):
        ALL.choose(min_solidity=2)


CENTERS = [(20, 20), (40, 70), (15, 85)]
PICTURE = draw_discs((60, 100), CENTERS, 8)


@pytest.mark.parametrize("mode", ["objects", "blobs", "tiled", "boxes"])
def test_a_run_keeps_what_its_limits_leave_out(mode):
    boxes = PICTURE > 0 if mode == "boxes" else None
    name = "pred_iou_thresh" if mode in ("blobs", "boxes") else "min_rating"
    found = find_masks(PICTURE, ComponentModel(), mode, boxes=boxes, **{name: 0.96})
    assert found.choose() == []
    assert len(found.choose(min_rating=0.9)) == 3
    assert found.paint(min_rating=0.9).max() == 3
    strict = generate_masks(PICTURE, ComponentModel(), mode, boxes=boxes, **{name: 0.96})
    assert strict == []


def test_painting_comes_last():
    found = find_masks(PICTURE, ComponentModel(), "objects")
    np.testing.assert_array_equal(found.paint(), paint_masks(found.choose(), (60, 100)))
    np.testing.assert_array_equal(found.paint(), automask(PICTURE, ComponentModel(), "objects"))
    assert found.seeds.shape == (3, 2)
    assert np.isfinite(found.seeds).all()


def test_limits_are_given_to_any_run():
    pair = PICTURE.copy()
    pair[50:53, 5:50] = 255
    for mode in (None, "objects", "tiled"):
        assert automask(pair, ComponentModel(), mode).max() == 4
        assert automask(pair, ComponentModel(), mode, min_circularity=0.7).max() == 3
    stack = np.stack([pair, pair])
    labels = automask_stack(stack, ComponentModel(), "ZYX", min_circularity=0.7)
    assert labels[0].max() == 3
    with pytest.raises(ParameterError, match="min_circularity"):
        automask_stack(stack, ComponentModel(), "ZYX", min_circularity=7)


def test_settings_and_limits_are_told_apart():
    values = {"min_area": 3, "min_solidity": 0.5, "points_per_side": 4}
    assert split_limits("objects", values) == (
        {"min_area": 3, "points_per_side": 4},
        {"min_solidity": 0.5},
    )
    assert split_limits("grid", values)[1] == {"min_area": 3, "min_solidity": 0.5}
    assert split_limits(None, values)[1] == {"min_solidity": 0.5}


def test_a_run_can_be_closed_before_it_ends():
    rgb = np.repeat(PICTURE[..., None], 3, axis=2)
    model = ComponentModel()
    steps = iterate_mask_set(rgb, model, make_parameters("objects"))
    next(steps)
    steps.close()
    assert model.encoded == 0
