"""What a TIFF claims is compared with what it holds, and with the room there is."""

import shutil
import struct
import sys
from collections import namedtuple

import numpy as np
import pytest
import tifffile

from napari_sam_onnx.pictures import tiff_file
from napari_sam_onnx.pictures.contents import PictureFileError
from napari_sam_onnx.pictures.picture_file import read_picture

rng = np.random.default_rng(0)
NOISE = rng.integers(0, 60_000, (64, 48)).astype(np.uint16)


def change_tag(path, name, change, page=0):
    """Overwrite the value of a tag with one made of it, of the same type and count."""
    with tifffile.TiffFile(path, mode="r+b") as file:
        tag = file.pages[page].tags[name]
        tag.overwrite(change(tag.value))


@pytest.mark.parametrize("compression", ["zlib", None])
def test_a_header_that_claims_millions_of_lines(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NOISE, compression=compression, rowsperstrip=64, metadata=None)
    change_tag(path, "ImageLength", lambda n: 4_000_000)
    change_tag(path, "RowsPerStrip", lambda n: 4_000_000)
    with pytest.raises(PictureFileError, match=r"a\.tif is damaged"):
        read_picture(path)


def test_strips_that_are_too_few(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NOISE, compression="zlib", rowsperstrip=16, metadata=None)
    change_tag(path, "ImageLength", lambda n: 6400)
    with pytest.raises(PictureFileError, match="396 of the 400 strips or tiles of a plane hold no"):
        read_picture(path)


@pytest.mark.parametrize("tag", ["StripByteCounts", "StripOffsets"])
def test_a_sparse_file(tmp_path, tag):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NOISE, compression="zlib", rowsperstrip=16, metadata=None)
    change_tag(path, tag, lambda values: [values[0], 0, *values[2:]])
    with pytest.raises(PictureFileError, match="1 of the 4 strips or tiles of a plane hold no"):
        read_picture(path)


def test_a_later_plane_is_looked_at_too(tmp_path):
    path = tmp_path / "a.tif"
    planes = [NOISE, NOISE[::-1]]
    tifffile.imwrite(path, np.stack(planes), compression="zlib", rowsperstrip=16)
    change_tag(path, "StripByteCounts", lambda values: [*values[:3], 0], page=1)
    with pytest.raises(PictureFileError, match="hold no data"):
        read_picture(path)


def test_a_file_that_was_copied_in_part(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NOISE)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(PictureFileError, match="was copied in part"):
        read_picture(path)


def test_a_damaged_strip_is_no_black_one(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NOISE, compression="zlib", rowsperstrip=16)
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[2]
    content = bytearray(path.read_bytes())
    content[start : start + 40] = b"\0" * 40
    path.write_bytes(content)
    with pytest.raises(PictureFileError, match="cannot be read"):
        read_picture(path)


def test_there_is_no_room(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((500, 500), np.uint16), compression="zlib")
    monkeypatch.setitem(sys.modules, "zarr", None)  # which would read it in parts
    monkeypatch.setattr(tiff_file, "free_memory", lambda: 100_000)
    with pytest.raises(PictureFileError, match=r"to 500 kB .500 × 500., and 100 kB are free"):
        read_picture(path)
    monkeypatch.setattr(tiff_file, "MEMORY_BYTES", 1000)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 200_000))
    with pytest.raises(PictureFileError, match="200 kB are free for temporary files"):
        read_picture(path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 10**9))
    assert read_picture(path).array.shape == (500, 500)


def write_parts(folder):
    """An OME-TIFF of two files that speak of each other."""
    names = ["a.ome.tif", "b.ome.tif"]
    ids = ["urn:uuid:11111111-1111-1111-1111-111111111111"] * 2
    ids[1] = ids[1].replace("1", "2")
    data = "".join(
        f'<TiffData FirstZ="{z}" FirstC="0" FirstT="0" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">{uuid}</UUID></TiffData>'
        for z, (name, uuid) in enumerate(zip(names, ids, strict=True))
    )
    for z, (name, uuid) in enumerate(zip(names, ids, strict=True)):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/'
            f'Schemas/OME/2016-06" UUID="{uuid}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYZCT" Type="uint16" SizeX="48" SizeY="64" SizeZ="2" SizeC="1" '
            f'SizeT="1"><Channel ID="Channel:0:0"/>{data}</Pixels></Image></OME>'
        )
        tifffile.imwrite(folder / name, NOISE + z, description=xml, metadata=None, ome=False)
    return folder / names[0]


def test_an_ome_tiff_of_several_files_is_whole_or_refused(tmp_path):
    path = write_parts(tmp_path)
    picture = read_picture(path)
    assert picture.axes == "ZYX"
    np.testing.assert_array_equal(picture.array, [NOISE, NOISE + 1])
    (tmp_path / "b.ome.tif").unlink()
    with pytest.raises(
        PictureFileError, match=r"lacks 1 of its 2 planes; put b\.ome\.tif into its folder"
    ):
        read_picture(path)


@pytest.mark.parametrize(
    ("unit", "dots", "size"),
    [
        ("CENTIMETER", 40_000, 0.25),
        ("INCH", 127_000, 0.2),
        ("INCH", 300, None),
        ("CENTIMETER", 118.11, None),
        ("NONE", 40_000, None),
    ],
)
def test_the_resolution_of_a_plain_tiff(tmp_path, unit, dots, size):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NOISE, resolution=(dots, dots), resolutionunit=unit, metadata=None)
    expected = {} if size is None else {"Y": pytest.approx(size), "X": pytest.approx(size)}
    assert read_picture(path).pixel_size == expected


def test_channels_are_no_samples(tmp_path):
    four = np.stack([NOISE.astype(np.uint8)] * 4)
    tifffile.imwrite(tmp_path / "a.ome.tif", four, metadata={"axes": "CYX"})
    tifffile.imwrite(tmp_path / "b.tif", four, imagej=True, metadata={"axes": "CYX"})
    for name in ("a.ome.tif", "b.tif"):
        picture = read_picture(tmp_path / name)
        assert (picture.axes, picture.samples) == ("CYX", False)
    colour = np.ascontiguousarray(four.transpose(1, 2, 0))
    tifffile.imwrite(tmp_path / "c.tif", colour, photometric="rgb", extrasamples=["unassalpha"])
    picture = read_picture(tmp_path / "c.tif")
    assert (picture.axes, picture.samples) == ("YXC", True)


def test_an_lsm_file_names_axes_and_pixel_size(tmp_path):
    """The smallest file that says that it is one: a plane and Zeiss's own tag."""
    info = bytearray(500)
    struct.pack_into("<Iiiiiiii", info, 0, 0x0400494C, 500, 48, 64, 1, 1, 1, 2)
    struct.pack_into("<ii", info, 32, 0, 0)
    struct.pack_into("<ddd", info, 40, 1e-7, 2e-7, 5e-7)
    path = tmp_path / "a.lsm"
    with tifffile.TiffWriter(path, byteorder="<") as file:
        tag = (34412, 1, 500, bytes(info), True)
        file.write(NOISE, metadata=None, extratags=[tag])
        thumbnail = np.zeros((16, 12, 3), np.uint8)
        file.write(thumbnail, metadata=None, photometric="rgb", subfiletype=1)
    picture = read_picture(path)
    assert picture.axes == "YX" and picture.others == 0
    np.testing.assert_array_equal(picture.array, NOISE)
    assert picture.pixel_size == pytest.approx({"Z": 0.5, "Y": 0.2, "X": 0.1})
