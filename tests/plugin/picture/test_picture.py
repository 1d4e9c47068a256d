from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from napari.layers import Image

from napari_sam_onnx.masks.regions import Region
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.plugin.picture.geometry import geometry_of, name_axis, place
from napari_sam_onnx.plugin.picture.picture import Picture, mix_layers, split_axis
from napari_sam_onnx.plugin.picture.plane import Plane
from napari_sam_onnx.plugin.picture.reader import name_axes
from napari_sam_onnx.plugin.picture.shown import mixable_layers

FLAT = Plane((0, 1), (0, 0))


def ramp(shape: tuple[int, ...] = (4, 6), dtype: Any = np.uint16) -> Any:
    return np.linspace(0, 1000, int(np.prod(shape))).reshape(shape).astype(dtype)


def test_what_you_see_is_what_the_model_sees() -> None:
    layer = Image(ramp(), contrast_limits=(200, 600))
    seen = Picture((layer,)).snapshot().read(FLAT)
    expected = np.clip((ramp() - 200.0) / 400, 0, 1) * 255
    np.testing.assert_allclose(seen, np.repeat(expected[..., None], 3, axis=2), atol=1)


def test_automatic_limits_come_from_the_whole_stack() -> None:
    stack = np.stack([ramp() // 10, ramp()])
    picture = Picture((Image(stack, contrast_limits=(0, 9)),), as_shown=False)
    seen = picture.snapshot().read(Plane((1, 2), (0, 0, 0)))
    assert seen.max() < 30  # a dim plane stays dim


def test_a_snapshot_does_not_change_with_the_layer() -> None:
    layer = Image(ramp(), contrast_limits=(0, 1000))
    reader = Picture((layer,)).snapshot()
    before = reader.read(FLAT)
    layer.contrast_limits = (0, 10)
    np.testing.assert_array_equal(reader.read(FLAT), before)
    assert Picture((layer,)).snapshot().version != reader.version


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_colour_pictures_are_shown_as_they_are(dtype: Any) -> None:
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    colour = np.zeros((5, 7, 4), dtype)
    colour[1, 2] = (top, top // 2 if top > 1 else 0.5, 0, top)
    seen = Picture((Image(colour, rgb=True),)).snapshot().read(FLAT)
    assert seen.shape == (5, 7, 3)
    np.testing.assert_allclose(seen[1, 2], (255, 127, 0), atol=1)
    turned = Picture((Image(colour, rgb=True),)).snapshot().read(Plane((1, 0), (0, 0)))
    np.testing.assert_array_equal(turned, seen.swapaxes(0, 1))


def test_layers_are_mixed_by_their_colours_and_limits() -> None:
    red = Image(ramp(), colormap="red", contrast_limits=(0, 1000), name="r")
    green = Image(ramp()[::-1], colormap="green", contrast_limits=(0, 500), opacity=0.5, name="g")
    picture = mix_layers([red, green])
    seen = picture.snapshot().read(FLAT)
    np.testing.assert_allclose(seen[..., 0], ramp() / 1000 * 255, atol=1)
    shown = np.clip(ramp()[::-1] / 500, 0, 1) * 0.5 * 255
    np.testing.assert_allclose(seen[..., 1], shown, atol=1)
    off = replace(picture, channels=(replace(picture.channels[0], on=False), picture.channels[1]))
    assert not off.snapshot().read(FLAT)[..., 0].any()
    none = replace(picture, channels=tuple(replace(c, on=False) for c in picture.channels))
    with pytest.raises(ImageError, match="No channel is ticked"):
        none.snapshot()


def test_gamma_and_colormaps_are_followed_while_what_is_shown_is() -> None:
    layer = Image(ramp(), contrast_limits=(0, 1000), gamma=0.5)
    expected = np.sqrt(ramp() / 1000) * 255
    np.testing.assert_allclose(Picture((layer,)).snapshot().read(FLAT)[..., 0], expected, atol=1)
    layer.colormap = "gray_r"
    seen = Picture((layer,)).snapshot().read(FLAT)
    np.testing.assert_allclose(seen[..., 0], 255 - expected, atol=2)
    layer.colormap = "viridis"  # one channel is gray
    np.testing.assert_allclose(Picture((layer,)).snapshot().read(FLAT)[..., 2], expected, atol=1)
    other = Image(np.zeros((4, 6)), contrast_limits=(0, 1), colormap="green")
    mixed = mix_layers([layer, other])
    shown = layer.colormap.map(np.sqrt(ramp() / 1000).ravel())[:, :3].reshape(4, 6, 3) * 255
    np.testing.assert_allclose(mixed.snapshot().read(FLAT), shown, atol=3)
    layer.colormap, layer.opacity = "red", 0.5  # followed
    np.testing.assert_allclose(mixed.snapshot().read(FLAT)[..., 0], expected / 2, atol=1)
    own = replace(mixed.channels[0], color=(0.0, 0.0, 1.0), weight=1.0, followed=False)
    seen = replace(mixed, channels=(own, mixed.channels[1])).snapshot().read(FLAT)
    np.testing.assert_allclose(seen[..., 2], expected, atol=1)
    assert not seen[..., 0].any()


def test_a_channel_may_have_limits_and_gamma_of_its_own() -> None:
    picture = split_axis(Image(np.stack([ramp(), ramp()])), 0)
    own = replace(picture.channels[0], limits=(0.0, 2000.0), gamma=2.0)
    seen = (
        replace(picture, channels=(own, picture.channels[1]))
        .snapshot()
        .read(Plane((1, 2), (0, 0, 0)))
    )
    np.testing.assert_allclose(seen[..., 0], (ramp() / 2000) ** 2 * 255, atol=1)
    assert seen[..., 1].max() == 255


def test_other_views_are_shown_to_the_model() -> None:
    layer = Image(ramp(), contrast_limits=(0, 1000))
    plain = Picture((layer,)).snapshot().read(FLAT)
    inverted = Picture((layer,), view="inverted").snapshot()
    np.testing.assert_array_equal(inverted.read(FLAT), 255 - plain)
    thick = Plane((1, 2), (0, 0, 0), ((0, 2), (0, 4), (0, 6)))
    stack = Image(np.stack([ramp(), ramp()]), contrast_limits=(0, 1000), projection_mode="max")
    seen = Picture((stack,), view="inverted").snapshot().read(thick)
    np.testing.assert_array_equal(seen, 255 - plain)
    slide = Image(np.full((4, 6, 3), (120, 70, 150), np.uint8), rgb=True)
    stain = Picture((slide,), view="hematoxylin").snapshot().read(FLAT)
    assert (stain[..., 0] == stain[..., 2]).all() and 0 < stain[0, 0, 0] < 255


def test_only_layers_that_lie_alike_are_mixed() -> None:
    here, there = Image(ramp(), name="here"), Image(ramp(), name="there", translate=(5, 0))
    colour = Image(np.zeros((4, 6, 3), np.uint8), rgb=True, name="colour")
    small = Image(ramp((3, 3)), name="small")
    with pytest.raises(ImageError, match="“there” and “here” differ"):
        mix_layers([here, there])
    with pytest.raises(ImageError, match="colour picture"):
        mix_layers([here, colour])
    with pytest.raises(ImageError, match="at least one"):
        mix_layers([])
    assert mixable_layers([colour, small, here, there], here) == [here]


def test_an_axis_as_channels() -> None:
    data = np.zeros((2, 3, 8, 9), np.uint16)
    data[1, 0, 2, 3], data[1, 2, 4, 5] = 100, 900
    data[0, 1, 0, 0] = 1  # a constant channel would be mid-gray
    layer = Image(data, scale=(2, 1, 0.5, 0.5), translate=(0, 10, 0, 0))
    picture = split_axis(layer, 1)
    assert picture.shape == (2, 1, 8, 9)
    seen = picture.snapshot().read(Plane((2, 3), (1, 0, 0, 0)))
    assert seen[2, 3].tolist() == [255, 0, 0] and seen[4, 5].tolist() == [0, 0, 255]
    geometry = geometry_of(picture)
    np.testing.assert_allclose(geometry["scale"], (2, 3, 0.5, 0.5))
    np.testing.assert_allclose(geometry["translate"], (0, 11, 0, 0))  # the middle channel
    many = split_axis(Image(np.zeros((8, 4, 4))), 0)
    assert [c.on for c in many.channels] == [True] * 6 + [False] * 2


def test_axes_are_named_as_the_viewer_names_them() -> None:
    plain, named = Image(ramp((2, 4, 6))), Image(ramp((2, 4, 6)), axis_labels=("Z", "Y", "X"))
    assert [name_axis(layer, 0) for layer in (plain, named)] == ["axis 0", "axis 0 (Z)"]


def test_place_follows_turned_and_sheared_layers() -> None:
    turn = np.eye(3)
    turn[1:, 1:] = [[0.8, -0.6], [0.6, 0.8]]
    shear = [0, 0, 0.25]
    turned = Image(
        ramp((3, 40, 50)), scale=(3, 0.5, 0.7), rotate=turn, shear=shear, translate=(1, 2, 3)
    )
    offset = (2, 7, 9)
    moved = Image(
        ramp((1, 5, 5)),
        **{**geometry_of(Picture((turned,))), "translate": place(Picture((turned,)), offset)},
    )
    np.testing.assert_allclose(moved.data_to_world((0, 0, 0)), turned.data_to_world(offset))
    np.testing.assert_allclose(moved.data_to_world((0, 2, 3)), turned.data_to_world((2, 9, 12)))


def test_a_reader_reads_what_is_asked_for() -> None:
    class Lazy:
        """Counts what is read of it."""

        def __init__(self, data: Any) -> None:
            self.data, self.shape, self.ndim = data, data.shape, data.ndim
            self.dtype, self.read = data.dtype, 0

        def __getitem__(self, index: Any) -> Any:
            piece = self.data[index]
            self.read += piece.size
            return piece

        def __array__(self, *_: Any, **__: Any) -> Any:
            raise AssertionError("the stack was loaded whole")

    lazy = Lazy(ramp((3, 1, 20, 30)))
    picture = Picture((Image(ramp((3, 1, 20, 30)), contrast_limits=(0, 1000)),))
    reader = picture.snapshot()
    reader.arrays = (lazy,)
    planes = reader.planes((2, 3))
    assert (planes.axes, planes.shape, planes.plane_shape) == ("TZ", (3, 1), (20, 30))
    plane = planes.read((2, 0))
    assert lazy.read == 600 and plane.shape == (20, 30, 3)
    there = reader.plane_at((2, 3), (2, 0))
    assert there == Plane((2, 3), (2, 0, 0, 0)) and reader.index_of(there) == (2, 0)
    np.testing.assert_array_equal(reader.read(there), plane)
    lazy.read = 0
    part = reader.read(there, Region((5, 7, 10, 9)))
    assert lazy.read == 10
    np.testing.assert_array_equal(part, plane[5:10, 7:9])
    turned = reader.read(Plane((3, 2), (2, 0, 0, 0)))
    np.testing.assert_array_equal(turned, plane.swapaxes(0, 1))


def test_limits_are_measured_once_for_all_sides() -> None:
    reader = Picture((Image(ramp((3, 4, 5))),), as_shown=False).snapshot()
    reader.read(Plane((1, 2), (0, 0, 0)))
    assert reader.channels[0].limits is not None
    assert reader.planes((0, 2)).channels == reader.channels


def test_axes_have_letters() -> None:
    assert name_axes(2, (0, 1)) == "YX"
    assert name_axes(4, (3, 1), channel_axis=0) == "CXZY"
    assert name_axes(6, (4, 5)) == "RSTZYX"


def test_what_is_looked_at_smaller_is_read_from_a_smaller_copy() -> None:
    full = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96) % 200
    half = full.reshape(32, 2, 48, 2).mean(axis=(1, 3)).astype(np.uint16)
    quarter = half.reshape(16, 2, 24, 2).mean(axis=(1, 3)).astype(np.uint16)
    marked = quarter + 20  # so that it is seen which one was read
    layer = Image([full, half, marked], multiscale=True, contrast_limits=(0, 255))
    reader = Picture((layer,)).snapshot()
    plain = Picture((Image(full, contrast_limits=(0, 255)),)).snapshot()
    for box in ((0, 0, 64, 96), (8, 16, 40, 64), (5, 7, 37, 71)):
        region = Region(box, 0.5)
        seen = reader.read(FLAT, region).astype(int)
        assert seen.shape == (*region.seen_shape, 3)
        if box[0] % 2 == 0:
            np.testing.assert_allclose(seen, plain.read(FLAT, region), atol=2)
    small = reader.read(FLAT, Region((8, 16, 40, 64), 0.25)).astype(int)
    expected = plain.read(FLAT, Region((8, 16, 40, 64), 0.25)).astype(int)
    np.testing.assert_allclose(small, expected + 20, atol=2)
    np.testing.assert_array_equal(
        reader.read(FLAT, Region((8, 16, 40, 64))), plain.read(FLAT, Region((8, 16, 40, 64)))
    )
    stack = Image([np.stack([full] * 4), np.stack([half, half + 50])], multiscale=True)
    there = Picture((stack,)).snapshot().read(Plane((1, 2), (3, 0, 0)), Region((0, 0, 64, 96), 0.5))
    first = Picture((stack,)).snapshot().read(Plane((1, 2), (0, 0, 0)), Region((0, 0, 64, 96), 0.5))
    assert there.mean() > first.mean() + 20


def test_multiscale_pictures_are_read_at_full_resolution() -> None:
    layer = Image([ramp((40, 60)), ramp((20, 30))], multiscale=True, contrast_limits=(0, 1000))
    picture = Picture((layer,))
    assert picture.shape == (40, 60)
    assert picture.snapshot().read(FLAT).shape == (40, 60, 3)
