"""What you see is what the model sees: at halves of a slider, and in thick slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
import zarr

from napari_sam_onnx.plugin.picture.picture import mix_layers
from napari_sam_onnx.plugin.picture.sliders import find_shown_plane

if TYPE_CHECKING:
    from tests.plugin.conftest import Bench

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 200, (9, 20, 30)).astype(np.uint8)


def seen(bench: Bench) -> Any:
    """What the model sees, one sample."""
    return bench.session.reader.read(bench.session.plane)[..., 0]


def shown(layer: Any) -> Any:
    """What napari shows, as a model would see it with the layer's limits."""
    low, high = layer.contrast_limits
    values = np.asarray(layer._data_view, float)
    return (np.clip((values - low) / (high - low), 0, 1) * 255 + 0.5).astype(np.uint8)


@pytest.mark.parametrize("at", [0, 0.5, 1.5, 2.5, 3.5, 3.49, 7.5])
def test_at_halves_of_the_slider(bench: Bench, at: float) -> None:
    layer = bench.open(STACK, contrast_limits=(0, 255))
    bench.viewer.dims.set_point(0, at)
    np.testing.assert_array_equal(seen(bench), shown(layer))
    bench.click(at, 5, 5)
    assert bench.session.request.plane.position[0] == round(at)


@pytest.mark.parametrize("mode", ["sum", "mean", "max", "min", "none"])
@pytest.mark.parametrize("scale", [1, 2.5])
@pytest.mark.parametrize("thickness", [0, 3, 4, 50])
@pytest.mark.parametrize("at", [0, 4])
def test_thick_slices(bench: Bench, mode: str, scale: float, thickness: float, at: int) -> None:
    limits = (0, 1800 if mode == "sum" else 255)
    layer = bench.open(STACK, contrast_limits=limits, projection_mode=mode, scale=(scale, 1, 1))
    bench.viewer.dims.set_point(0, at * scale)
    thick = [thickness * scale / 2, 0, 0]
    bench.viewer.dims.margin_left = bench.viewer.dims.margin_right = thick
    np.testing.assert_allclose(seen(bench).astype(int), shown(layer), atol=1)
    assert bench.session.plane.position == (at, 0, 0)


def test_the_session_follows_thickness_and_projection(bench: Bench) -> None:
    layer = bench.open(STACK, contrast_limits=(0, 255), projection_mode="none")
    bench.viewer.dims.set_point(0, 4)
    before = seen(bench)
    bench.viewer.dims.margin_left = bench.viewer.dims.margin_right = (2, 0, 0)
    np.testing.assert_array_equal(seen(bench), before)  # the layer projects nothing yet
    layer.projection_mode = "max"
    np.testing.assert_array_equal(seen(bench), STACK[2:7].max(axis=0))
    bench.viewer.dims.margin_left = bench.viewer.dims.margin_right = (1, 0, 0)
    np.testing.assert_array_equal(seen(bench), STACK[3:6].max(axis=0))


def test_mixed_layers_project_each_in_its_way(bench: Bench) -> None:
    options = {"contrast_limits": (0, 255), "scale": (1, 1, 1)}
    red = bench.open(STACK, colormap="red", projection_mode="max", **options)
    green = bench.viewer.add_image(STACK[::-1], colormap="green", projection_mode="none", **options)
    bench.session.choose_picture(mix_layers([red, green]))
    bench.viewer.dims.set_point(0, 4)
    bench.viewer.dims.margin_left = bench.viewer.dims.margin_right = (1, 0, 0)
    plane = find_shown_plane(bench.viewer, bench.session.picture)
    rgb = bench.session.reader.read(plane)
    np.testing.assert_array_equal(rgb[..., 0], STACK[3:6].max(axis=0))
    np.testing.assert_array_equal(rgb[..., 1], STACK[::-1][4])


def test_pixels_changed_in_place_are_noticed(bench: Bench) -> None:
    stack = np.zeros((3, 40, 60), np.uint8)
    stack[:, 10:20, 10:20] = 200
    layer = bench.open(stack, contrast_limits=(0, 255))
    bench.viewer.dims.set_point(0, 0)
    bench.click(0, 15, 15)
    assert bench.shown == 100
    encoded = bench.models["pebble"].encoded
    layer.refresh()
    bench.viewer.dims.set_point(0, 1)
    bench.viewer.dims.set_point(0, 0)
    assert bench.models["pebble"].encoded <= encoded + 1  # nothing has changed
    stack[0, 10:20, 10:15] = 0
    layer.refresh()
    assert seen(bench)[15, 12] == 0
    bench.click(0, 12, 17)
    assert bench.shown == 50


@pytest.mark.parametrize("kind", ["zarr", "dask", "multiscale"])
def test_lazy_pixels_changed_in_place_are_noticed(bench: Bench, kind: str) -> None:
    stack = np.zeros((2, 40, 60), np.uint8)
    stack[:, 10:20, 10:20] = 200
    held = zarr.create(stack.shape, chunks=(1, 40, 60), dtype=np.uint8)
    held[:] = stack
    data = {
        "zarr": held,
        "dask": dask.array.from_array(held),
        "multiscale": [held, stack[:, ::2, ::2]],
    }[kind]
    layer = bench.open(data, multiscale=kind == "multiscale", contrast_limits=(0, 255))
    bench.viewer.dims.set_point(0, 0)
    bench.click(0, 15, 15)
    assert bench.shown == 100
    encoded, version = bench.models["pebble"].encoded, bench.session.reader.version
    bench.viewer.dims.set_point(0, 1)
    bench.viewer.dims.set_point(0, 0)
    assert bench.session.reader.version == version  # moving changes nothing
    layer.refresh()
    assert bench.models["pebble"].encoded <= encoded + 1  # it is the same, though read again
    held[0, 10:20, 10:15] = 0
    layer.refresh()
    assert seen(bench)[15, 12] == 0
    bench.click(0, 12, 17)
    assert bench.shown == 50


def test_a_lost_frame_is_said_and_is_no_error(bench: Bench) -> None:
    stack = np.zeros((3, 40, 60), np.float32)
    stack[:, 10:20, 10:20] = 1
    stack[1] = np.nan
    bench.open(stack, contrast_limits=(0, 1))
    bench.viewer.dims.set_point(0, 1)
    assert "holds no finite value" in bench.said and bench.session.status.kind == "info"
    bench.viewer.dims.set_point(0, 2)
    bench.click(2, 15, 15)
    assert bench.shown == 100 and "finite" not in bench.said
