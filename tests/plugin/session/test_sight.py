"""The small picture of what the model sees, and stacks seen as one plane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_sam_onnx.plugin.commits.recording import describe_layer
from napari_sam_onnx.plugin.picture.sliders import project_along, projection_along
from napari_sam_onnx.plugin.session.sight import LARGEST, SIDE, Sight, choose_region
from tests.fakes import draw_discs
from tests.plugin.conftest import CENTERS, RADIUS, Bench, HeldLane


def test_it_is_made_only_while_somebody_looks(bench: Bench) -> None:
    sight = Sight(bench.session, HeldLane())
    layer = bench.open()
    assert sight.shown is None
    sight.on = True
    np.testing.assert_array_equal(sight.shown[..., 0], layer.data)
    layer.contrast_limits = (0, 510)
    assert sight.shown.max() == 128
    bench.session.choose_picture(replace(bench.session.picture, view="inverted"))
    assert sight.shown.min() == 127
    sight.on = False
    bench.session.choose_picture(replace(bench.session.picture, view=""))
    assert sight.shown.min() == 127
    sight.on = True
    bench.viewer.layers.remove(layer)
    assert sight.shown is None
    sight.close()


def test_large_planes_are_seen_in_part() -> None:
    region = choose_region((5000, 300), (4900.0, 10.0))
    assert region.box == (5000 - LARGEST, 0, 5000, 300) and max(region.seen_shape) == SIDE
    assert choose_region((100, 90), None).scale == 1.0


def test_a_stack_is_seen_as_one_plane_and_labelled_where_the_slider_stands(bench: Bench) -> None:
    planes = [draw_discs((100, 120), [center], RADIUS) for center in CENTERS]
    bench.open(np.stack(planes))
    bench.viewer.dims.set_point(0, 1)
    sight = Sight(bench.session, HeldLane())
    sight.on = True
    picture = bench.session.picture
    assert projection_along(bench.viewer, picture, 0) == ""
    project_along(bench.viewer, picture, 0, "max")
    assert projection_along(bench.viewer, picture, 0) == "max"
    np.testing.assert_array_equal(sight.shown[..., 0], np.max(planes, axis=0))
    bench.click(1, *CENTERS[2])
    bench.commits.accept()
    assert bench.labels[1].any() and not bench.labels[0].any() and not bench.labels[2].any()
    project_along(bench.viewer, picture, 0, "mean")
    assert sight.shown.max() == 85
    project_along(bench.viewer, picture, 0, "")
    np.testing.assert_array_equal(sight.shown[..., 0], planes[1])


def test_views_are_in_recipes_and_never_answered_from_the_plane_as_it_was(bench: Bench) -> None:
    bench.open(255 - draw_discs((100, 120), CENTERS, RADIUS))
    bench.click(5, 5)
    assert bench.shown > 10_000 or bench.session.answers[0].mask.area > 10_000
    bench.commits.discard()
    encoded = bench.models["pebble"].encoded
    bench.session.choose_picture(replace(bench.session.picture, view="inverted"))
    assert bench.models["pebble"].encoded == encoded + 1
    bench.click(*CENTERS[0])
    bench.commits.accept()
    assert bench.ids == [1] and (bench.labels > 0).sum() < 400
    recipe = describe_layer(bench.commits.labels.layer)
    again = type(recipe).from_json(recipe.to_json())
    assert again.view == "inverted" and again.acts[0].view == "inverted"
