import numpy as np
import pytest

from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.regions import Region
from napari_sam_onnx.pictures.image import BlankError, Channel, ImageError, to_rgb
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from tests.pictures.test_contrast import counted

rng = np.random.default_rng(1)
STACK = rng.integers(0, 4000, (2, 3, 4, 50, 60)).astype(np.uint16)  # TCZYX
CHANNELS = (Channel(2, (1, 0, 0), limits=(0, 4000)), Channel(0, (0, 1, 0), 0.5, (100, 900)))


@pytest.mark.parametrize("axes", ["TCZYX", "CXZTY", "YXZCT"])
def test_a_plane_is_the_same_in_any_order_of_axes(axes):
    moved = STACK.transpose(["TCZYX".index(axis) for axis in axes])
    planes = ArrayPlanes(moved, axes, CHANNELS)
    index = tuple({"T": 1, "Z": 2}[axis] for axis in planes.axes)
    expected = to_rgb(STACK[1, :, 2], "CYX", CHANNELS)
    np.testing.assert_array_equal(planes.read(index), expected)
    part = planes.read(index, Region((10, 20, 30, 50)))
    np.testing.assert_array_equal(part, expected[10:30, 20:50])
    assert planes.plane_shape == (50, 60) and sorted(planes.shape) == [2, 4]
    np.testing.assert_array_equal(planes.read_values(index), STACK[1, [2, 0], 2])


def test_layers_of_one_shape_are_channels():
    planes = ArrayPlanes((STACK[:, 0], STACK[:, 1], STACK[:, 2]), "TZYX", CHANNELS)
    expected = to_rgb(STACK[1, :, 2], "CYX", CHANNELS)
    np.testing.assert_array_equal(planes.read((1, 2)), expected)


def test_limits_are_those_of_the_whole_stack_and_of_no_region():
    stack = np.stack([STACK[0, 0, 0] // 10, STACK[0, 0, 0]])
    planes = ArrayPlanes(stack, "ZYX")
    assert planes.read((0,), Region((0, 0, 10, 10))).max() < 30
    assert planes.channels[0].limits is not None


def test_a_region_is_seen_at_its_scale():
    plane = np.kron(rng.integers(0, 255, (10, 15)), np.ones((8, 8))).astype(np.uint8)
    planes = ArrayPlanes(plane, "YX", [Channel(0, limits=(0, 255))])
    seen = planes.read((), Region((16, 8, 80, 120), 1 / 8))
    np.testing.assert_array_equal(seen[..., 0], plane[16:80:8, 8:120:8])


def test_a_large_region_is_shrunk_strip_by_strip(monkeypatch):
    plane = rng.integers(0, 255, (301, 200)).astype(np.uint8)
    planes = ArrayPlanes(plane, "YX", [Channel(0, limits=(0, 255))])
    region = Region((1, 3, 301, 190), 0.37)
    whole = planes.read((), region)
    read = []
    show = planes._show
    monkeypatch.setattr("napari_sam_onnx.planes.STRIP_PIXELS", 187 * 40)
    monkeypatch.setattr(planes, "_show", lambda i, r: (read.append(r.shape), show(i, r))[1])
    stripped = planes.read((), region)
    assert len(read) > 5 and max(rows for rows, _ in read) <= 42
    np.testing.assert_allclose(stripped.astype(int), whole, atol=1)


def test_only_the_chunks_of_a_region_are_read():
    loads = []
    lazy = counted((9, 300, 300), ((1,) * 9, (100,) * 3, (100,) * 3), loads)
    planes = ArrayPlanes(lazy, "ZYX", [Channel(0, limits=(0, 9))])
    assert not loads
    planes.read((4,), Region((110, 20, 190, 210)))
    assert sorted(loads) == [(4, 1, 0), (4, 1, 1), (4, 1, 2)]


def test_a_chunk_with_several_channels_is_read_once():
    loads = []
    lazy = counted((2, 64, 64, 4), ((1,) * 2, (64,), (64,), (4,)), loads)
    channels = [Channel(3, limits=(0, 1)), Channel(1, limits=(0, 1))]
    seen = ArrayPlanes(lazy, "ZYXC", channels).read((1,))
    assert loads == [(1, 0, 0, 0)] and (seen == 255).all()


def test_a_plane_without_values_says_so():
    stack = np.stack([np.full((5, 6), np.nan), np.ones((5, 6))])
    planes = ArrayPlanes(stack, "ZYX")
    with pytest.raises(BlankError, match="no finite"):
        planes.read((0,))
    assert planes.read((1,)).shape == (5, 6, 3)


def test_what_is_no_picture_is_refused():
    with pytest.raises(ImageError, match="empty"):
        ArrayPlanes(np.zeros((0, 4, 4)), "ZYX")
    with pytest.raises(ImageError, match="Channel 5"):
        ArrayPlanes(STACK, "TCZYX", [Channel(5)])
    with pytest.raises(ImageError, match="lack Y or X"):
        ArrayPlanes(STACK, "TCZQX")


def test_labels_are_written_where_they_belong():
    array = np.zeros((4, 3, 1, 5), np.uint32)
    labels = ArrayLabels(array, "ZXCY")
    assert (labels.axes, labels.shape, labels.plane_shape) == ("Z", (4,), (5, 3))
    plane = np.arange(15, dtype=np.uint32).reshape(5, 3)
    labels.write((2,), plane)
    np.testing.assert_array_equal(array[2, :, 0], plane.T)
    assert not array[[0, 1, 3]].any()
    np.testing.assert_array_equal(labels.read((2,)), plane)
    region = Region((1, 1, 3, 3))
    labels.write((2,), np.full((2, 2), 99, np.uint32), region)
    plane[1:3, 1:3] = 99
    np.testing.assert_array_equal(labels.read((2,)), plane)
    np.testing.assert_array_equal(labels.read((2,), region), plane[1:3, 1:3])


def test_what_is_no_label_image_is_refused():
    with pytest.raises(LabelError, match="uint8"):
        ArrayLabels(np.zeros((3, 3), np.uint8), "YX")
    with pytest.raises(LabelError, match="do not have axes"):
        ArrayLabels(np.zeros((3, 3), np.uint32), "ZYX")
