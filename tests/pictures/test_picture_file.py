"""Files are read with the axes that they name, and refused with one sentence."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam_onnx.pictures.picture_file import PictureFileError, list_pictures, read_picture


def write(path, array, **options):
    tifffile.imwrite(path, array, **options)
    return path


def ramp(*shape, dtype=np.uint16):
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def test_ome_names_axes_and_pixel_size(tmp_path):
    metadata = {"axes": "TCZYX", "PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm"}
    data = ramp(2, 3, 4, 5, 6)
    picture = read_picture(write(tmp_path / "a.ome.tif", data, metadata=metadata))
    assert picture.axes == "TCZYX"
    np.testing.assert_array_equal(picture.array, data)
    assert picture.pixel_size == {"X": pytest.approx(0.25)}


def test_imagej_names_axes_and_pixel_size(tmp_path):
    data = ramp(3, 2, 5, 6)
    path = write(
        tmp_path / "a.tif",
        data,
        imagej=True,
        resolution=(2.0, 4.0),
        metadata={"axes": "ZCYX", "unit": "um", "spacing": 1.5},
    )
    picture = read_picture(path)
    assert picture.axes == "ZCYX"
    np.testing.assert_array_equal(picture.array, data)
    assert picture.pixel_size == pytest.approx({"Z": 1.5, "Y": 0.25, "X": 0.5})


def test_pages_without_names_leave_the_axes_open(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for page in ramp(4, 9, 8):
            file.write(page, contiguous=False, metadata=None)
    picture = read_picture(path)
    assert picture.axes is None
    assert picture.array.shape == (4, 9, 8)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_an_rgb_tiff_has_channels_last(tmp_path, compression):
    data = ramp(8, 9, 3, dtype=np.uint8)
    path = write(tmp_path / "a.tif", data, photometric="rgb", compression=compression)
    picture = read_picture(path)
    assert picture.axes == "YXC"
    np.testing.assert_array_equal(picture.array, data)


def test_a_plain_plane_is_yx_and_mapped_not_loaded(tmp_path):
    picture = read_picture(write(tmp_path / "a.tif", ramp(7, 8)))
    assert picture.axes == "YX"
    assert isinstance(picture.array, np.memmap) or isinstance(picture.array.base, np.memmap)


def test_further_pictures_in_a_file_are_counted(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(ramp(7, 8), metadata=None)
        file.write(ramp(5, 5), metadata=None)
    picture = read_picture(path)
    assert picture.others == 1
    assert picture.array.shape == (7, 8)


@pytest.mark.parametrize(
    ("shape", "dtype", "axes"),
    [((6, 7), np.uint8, "YX"), ((6, 7), np.uint16, "YX"), ((6, 7, 3), np.uint8, "YXC")],
)
def test_png(tmp_path, shape, dtype, axes):
    data = ramp(*shape, dtype=dtype)
    Image.fromarray(data).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.axes == axes
    np.testing.assert_array_equal(picture.array, data)


def test_gray_with_alpha_is_one_channel(tmp_path):
    data = ramp(6, 7, 2, dtype=np.uint8)
    Image.fromarray(data).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.axes == "YX"
    np.testing.assert_array_equal(picture.array, data[..., 0])


def test_a_missing_file(tmp_path):
    with pytest.raises(PictureFileError, match=r"^There is no file .*a\.tif\.$"):
        read_picture(tmp_path / "a.tif")


def test_a_folder(tmp_path):
    with pytest.raises(PictureFileError, match="is a folder; name a picture in it"):
        read_picture(tmp_path)


@pytest.mark.parametrize("name", ["a.txt", "a"])
def test_an_unknown_suffix(tmp_path, name):
    (tmp_path / name).write_text("hello")
    with pytest.raises(PictureFileError, match=r"is no picture that can be read; give one"):
        read_picture(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg"])
@pytest.mark.parametrize("content", [b"", b"this is no picture, whatever its name says"])
def test_a_file_that_is_no_picture(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PictureFileError, match=rf"^{name} cannot be read: (.+)\.$") as caught:
        read_picture(tmp_path / name)
    kind = {"a.tif": "TIFF", "a.png": "PNG", "a.jpg": "JPEG"}[name]
    assert (f"no {kind} file" if content else "it is empty") in str(caught.value)


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_a_truncated_picture(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 65535, (64, 64), np.uint16)
    if suffix == "tif":
        write(path, noise, compression="zlib")
    else:
        Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(PictureFileError, match="was copied in part"):
        read_picture(path)


def test_a_picture_that_memory_has_no_room_for(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((300, 400), np.uint8)).save(path)
    monkeypatch.setattr("napari_sam_onnx.pictures.contents.free_memory", lambda: 100_000)
    with pytest.raises(
        PictureFileError, match=r"a.png unpacks to 480 kB \(300 × 400\), and 100 kB"
    ):
        read_picture(path)


def test_a_large_picture_is_no_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # stands for the 89 million of Pillow
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(path)
    assert read_picture(path).array.shape == (30, 40)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_listing_a_folder(tmp_path):
    for name in ("b.tif", "a.PNG", "notes.txt", ".hidden.tif"):
        (tmp_path / name).touch()
    (tmp_path / "folder.tif").mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["a.PNG", "b.tif"]
