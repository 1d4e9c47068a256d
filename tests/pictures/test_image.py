import numpy as np
import pytest

from napari_sam_onnx.pictures.image import (
    Channel,
    ImageError,
    check_axes,
    default_channels,
    fix_limits,
    infer_axes,
    insert_axes,
    to_rgb,
)

rng = np.random.default_rng(0)
RAMP = np.linspace(0, 1, 64 * 64).reshape(64, 64)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "int32", "uint64", "f2", "f4", "f8"]
)
def test_any_dtype_shows_the_same_ramp(dtype):
    top = 100 if dtype in ("int8", "f2") else 200
    expected = to_rgb((RAMP * top).round().astype("f8"))
    np.testing.assert_array_equal(to_rgb((RAMP * top).round().astype(dtype)), expected)
    assert expected.dtype == np.uint8
    assert expected.min() == 0 and expected.max() == 255
    assert (expected[..., 0] == expected[..., 1]).all()


def test_bool_is_black_and_white():
    rgb = to_rgb(RAMP > 0.5)
    assert set(np.unique(rgb)) == {0, 255}


def test_a_colour_picture_passes_unchanged_and_alpha_is_left_out():
    picture = rng.integers(0, 256, (20, 30, 4), np.uint8)
    np.testing.assert_array_equal(to_rgb(picture), picture[..., :3])
    np.testing.assert_array_equal(to_rgb(picture[..., :3]), picture[..., :3])


@pytest.mark.parametrize("axes", ["YXC", "CYX", "XYC", "CXY", "YCX"])
def test_axes_in_any_order_show_the_same_picture(axes):
    picture = rng.integers(0, 4000, (20, 30, 2)).astype(np.uint16)
    moved = picture.transpose(["YXC".index(a) for a in axes])
    np.testing.assert_array_equal(to_rgb(moved, axes), to_rgb(picture, "YXC"))


def test_channels_are_mixed_additively_with_colour_weight_and_limits():
    picture = np.stack([np.full((4, 4), 50.0), np.full((4, 4), 75.0)])
    channels = [
        Channel(0, (1, 0, 0), limits=(0, 100)),
        Channel(1, (1, 0, 1), weight=0.5, limits=(50, 100)),
    ]
    rgb = to_rgb(picture, "CYX", channels)
    np.testing.assert_array_equal(rgb[0, 0], [191, 0, 64])  # 0.5 + 0.25, 0, 0.25


def test_a_channel_can_be_left_out_and_the_sum_saturates():
    picture = np.stack([np.full((4, 4), 9.0), np.full((4, 4), 9.0), RAMP[:4, :4]])
    rgb = to_rgb(picture, "CYX", [Channel(0, limits=(0, 10)), Channel(1, limits=(0, 10))])
    assert (rgb == 255).all()


def test_nan_and_infinities():
    picture = RAMP.copy()
    picture[0, :3] = np.nan, np.inf, -np.inf
    rgb = to_rgb(picture)[..., 0]
    assert rgb[0, :3].tolist() == [0, 255, 0]
    assert rgb[-1, -1] == 255


def test_four_channels_are_no_colour_picture():
    picture = np.zeros((4, 20, 30), np.uint8)
    picture[3, 5, 6] = 200  # the fourth is no alpha
    assert to_rgb(picture, "CYX")[5, 6].max() == 255
    assert to_rgb(picture.transpose(1, 2, 0), "YXC")[5, 6].max() == 0


def test_axes_of_one_pixel_are_put_in():
    plane = np.zeros((5, 6))
    assert insert_axes(plane, "YX", "TZYX").shape == (1, 1, 5, 6)
    assert insert_axes(np.zeros((3, 5, 6)), "CYX", "TCZYX").shape == (1, 3, 1, 5, 6)
    assert insert_axes(plane, "YX", "ZXY").shape == (5, 6)


@pytest.mark.parametrize("value", [0, 7, -3.5])
def test_a_constant_picture_is_mid_gray(value):
    assert (to_rgb(np.full((5, 6), value)) == 128).all()


def test_what_is_missing_in_a_constant_picture_is_black():
    picture = np.full((5, 6), 7.0)
    picture[0, :2] = np.nan
    rgb = to_rgb(picture)[..., 0]
    assert rgb[0, :2].tolist() == [0, 0] and (rgb[1:] == 128).all()


def test_a_large_picture_is_mixed_strip_by_strip(monkeypatch):
    picture = rng.integers(0, 4000, (2, 30, 20)).astype(np.uint16)
    gray, colour = to_rgb(picture[0]), to_rgb(picture, "CYX")
    monkeypatch.setattr("napari_sam_onnx.pictures.image.STRIP_PIXELS", 7 * 20)
    np.testing.assert_array_equal(to_rgb(picture[0]), gray)
    np.testing.assert_array_equal(to_rgb(picture, "CYX"), colour)


def test_an_empty_channel_adds_nothing_to_a_mixture():
    picture = np.stack([RAMP, np.full_like(RAMP, 100)])
    rgb = to_rgb(picture, "CYX", [Channel(0, (1, 0, 0)), Channel(1, (0, 1, 0))])
    assert rgb[..., 1].max() == 0
    np.testing.assert_array_equal(rgb[..., 0], to_rgb(RAMP)[..., 0])


def test_puncta_on_a_flat_ground_are_seen():
    picture = np.zeros((200, 200), np.uint16)
    picture[100, 100] = 5000
    assert to_rgb(picture)[100, 100, 0] == 255


def test_one_pixel_works():
    assert to_rgb(np.array([[3]])).shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("picture", "axes", "words"),
    [
        (np.zeros((0, 5)), None, "empty"),
        (np.full((4, 4), np.nan), None, "no finite"),
        (np.zeros((4, 4), complex), None, "complex"),
        (np.zeros((3, 9, 9)), None, "more than one way"),
        (np.zeros((2, 3, 9, 9)), None, "more than one way"),
        (np.zeros((3, 9, 9)), "ZYX", "Y, X and C only"),
        (np.zeros((3, 9, 9)), "YX", "name 2 dimensions"),
        (np.zeros((3, 9, 9)), "CYY", "distinct"),
        (np.zeros((3, 9, 9)), "TZC", "lack Y or X"),
        (np.zeros((9, 9, 9)), "CYX", "9 channels"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(picture, axes, words):
    with pytest.raises(ImageError, match=words) as error:
        to_rgb(picture, axes)
    assert "\n" not in str(error.value)


def test_channels_that_do_not_exist_are_refused():
    picture = np.zeros((2, 9, 9))
    with pytest.raises(ImageError, match="Channel 2 does not exist"):
        to_rgb(picture, "CYX", [Channel(2)])
    with pytest.raises(ImageError, match="at least one"):
        to_rgb(picture, "CYX", [])


def test_axes_are_named_in_any_case_and_never_guessed_from_a_small_axis():
    assert check_axes("tzcyx", 5) == "TZCYX"
    assert infer_axes((512, 512, 3)) == "YXC"
    for shape in [(3, 512, 512), (10, 512, 512), (3, 3, 3), (512, 512, 2)]:
        with pytest.raises(ImageError):
            infer_axes(shape)


def test_default_channels():
    assert default_channels(1) == (Channel(0),)
    colour = default_channels(4, np.dtype("u1"), samples=True)
    assert [c.limits for c in colour] == [(0, 255)] * 3
    assert [c.limits for c in default_channels(3, np.dtype("u2"), samples=True)] == [None] * 3
    four = default_channels(4, np.dtype("u1"))
    assert [c.limits for c in four] == [None] * 4 and len({c.color for c in four}) == 4
    assert len({c.color for c in default_channels(6)}) == 6


def test_limits_are_those_of_the_whole_stack_for_every_plane():
    stack = np.stack([RAMP * 10, RAMP * 100])
    channels = fix_limits(stack, "ZYX")
    assert to_rgb(stack[0], "YX", channels).max() < 30
    assert to_rgb(stack[1], "YX", channels).max() == 255


def test_gamma_is_a_power_between_the_limits():
    ramp = np.array([[0, 64, 128, 255]], np.uint8)
    shown = to_rgb(ramp, channels=(Channel(0, limits=(0, 255), gamma=0.5),))
    expected = (np.array([0, 64, 128, 255]) / 255) ** 0.5 * 255 + 0.5
    np.testing.assert_array_equal(shown[0, :, 0], expected.astype(np.uint8))
    for gamma in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ImageError, match="gamma"):
            Channel(0, gamma=gamma)


def test_a_ramp_gives_each_intensity_its_colour():
    ramp = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0))
    picture = np.array([[0, 50, 75, 100]], np.uint8)
    shown = to_rgb(picture, channels=(Channel(0, limits=(0, 100), ramp=ramp),))
    assert shown[0].tolist() == [[0, 0, 0], [255, 0, 0], [255, 128, 0], [255, 255, 0]]
    inverted = Channel(0, limits=(0, 100), ramp=((1.0,) * 3, (0.0,) * 3), weight=0.5)
    assert to_rgb(picture, channels=(inverted,))[0, :, 1].tolist() == [128, 64, 32, 0]
    with pytest.raises(ImageError, match="two at least"):
        Channel(0, ramp=((0.0, 0.0, 0.0),))
