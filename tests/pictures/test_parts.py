"""Pictures that are read part by part: large TIFFs without room to unpack, and OME-Zarr."""

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam_onnx.masks.regions import Region
from napari_sam_onnx.pictures import tiff_file
from napari_sam_onnx.pictures.contents import PictureFileError
from napari_sam_onnx.pictures.picture_file import list_pictures, load_picture, read_picture
from napari_sam_onnx.planes import ArrayPlanes

rng = np.random.default_rng(0)
ZARR_2 = zarr.__version__.startswith("2.")
FORM_2 = {} if ZARR_2 else {"zarr_format": 2}
STACK = rng.integers(0, 60_000, (2, 96, 80)).astype(np.uint16)


@pytest.fixture
def no_room(monkeypatch):
    """Less memory than any picture takes."""
    monkeypatch.setattr(tiff_file, "free_memory", lambda: 1000)


@pytest.mark.parametrize("how", [{"tile": (32, 32)}, {"rowsperstrip": 16}])
def test_a_tiff_that_cannot_be_unpacked_is_read_in_parts(tmp_path, no_room, how):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, compression="zlib", metadata={"axes": "ZYX"}, **how)
    picture = read_picture(path)
    assert picture.axes == "ZYX" and not isinstance(picture.array, np.ndarray)
    planes = ArrayPlanes(picture.array, picture.axes)
    region = Region((10, 20, 70, 60))
    np.testing.assert_array_equal(planes.read_values((1,), region)[0], STACK[1, 10:70, 20:60])
    np.testing.assert_array_equal(np.asarray(picture.array[0]), STACK[0])


def test_only_what_is_asked_for_is_unpacked(tmp_path, no_room, monkeypatch):
    path = tmp_path / "a.tif"
    wide = np.tile(STACK[0], (1, 40))  # 96 × 3200
    tifffile.imwrite(path, wide, compression="zlib", tile=(96, 16))
    array = read_picture(path).array
    read = []
    decode = tifffile.TiffPage.decode

    def count(page):
        inner = decode.func(page)
        return lambda *args, **kwargs: read.append(args[1]) or inner(*args, **kwargs)

    monkeypatch.setattr(tifffile.TiffPage, "decode", property(count))
    np.testing.assert_array_equal(np.asarray(array[:, 1000:1010]), wide[:, 1000:1010])
    assert 0 < len(read) <= 64  # of 200 tiles


def test_a_colour_tiff_in_parts_keeps_its_samples(tmp_path, no_room):
    path = tmp_path / "a.tif"
    colour = rng.integers(0, 255, (96, 80, 3)).astype(np.uint8)
    tifffile.imwrite(path, colour, compression="zlib", tile=(32, 32), photometric="rgb")
    picture = read_picture(path)
    assert (picture.axes, picture.samples) == ("YXC", True)
    np.testing.assert_array_equal(np.asarray(picture.array), colour)


def test_a_part_that_is_damaged_is_said_when_it_is_read(tmp_path, no_room):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], compression="zlib", tile=(32, 32))
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        place, size = page.dataoffsets[-1], page.databytecounts[-1]
    content = bytearray(path.read_bytes())
    content[place : place + size] = bytes(size)
    path.write_bytes(content)
    array = read_picture(path).array
    with pytest.raises(PictureFileError, match=r"a\.tif is damaged, or was copied in part"):
        np.asarray(array)


def test_what_has_to_be_whole_is_refused_with_its_size(tmp_path, no_room, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, compression="zlib", metadata={"axes": "ZYX"})
    np.testing.assert_array_equal(load_picture(path), STACK)
    monkeypatch.setattr("napari_sam_onnx.pictures.contents.free_memory", lambda: 1000)
    with pytest.raises(PictureFileError, match=r"unpacks to 31 kB \(2 × 96 × 80\), and 1 kB are"):
        load_picture(path)


def save(path, array, chunks, **form):
    made = zarr.open_array(
        str(path), mode="w", shape=array.shape, chunks=chunks, dtype=array.dtype, **form
    )
    made[...] = array


def write_ome_zarr(path, version):
    form = FORM_2 if version == "0.4" else {}
    group = zarr.open_group(str(path), mode="w", **form)
    save(path / "0", STACK[None], (1, 1, 32, 32), **form)
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    scale = {"type": "scale", "scale": [1, 2.0, 0.5, 0.5]}
    words = {
        "multiscales": [
            {
                "axes": [{"name": "c", "type": "channel"}, *axes],
                "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
                "version": version,
            }
        ]
    }
    group.attrs.update(words if version == "0.4" else {"ome": words})


@pytest.mark.parametrize(
    "version",
    ["0.4", pytest.param("0.5", marks=pytest.mark.skipif(ZARR_2, reason="zarr 2 cannot write it"))],
)
def test_ome_zarr(tmp_path, version):
    path = tmp_path / "cells.ome.zarr"
    write_ome_zarr(path, version)
    picture = read_picture(path)
    assert picture.axes == "CZYX"
    assert picture.pixel_size == {"Z": 2.0, "Y": 0.5, "X": 0.5}
    np.testing.assert_array_equal(np.asarray(picture.array), STACK[None])
    (tmp_path / "b.tif").touch()
    assert [found.name for found in list_pictures(tmp_path)] == ["b.tif", "cells.ome.zarr"]


def test_ome_zarr_as_bioformats2raw_writes_it(tmp_path):
    outer = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", **FORM_2)
    outer.attrs["bioformats2raw.layout"] = 3
    write_ome_zarr(tmp_path / "a.zarr" / "0", "0.4")
    assert read_picture(tmp_path / "a.zarr").axes == "CZYX"


def test_a_zarr_array_without_words(tmp_path):
    save(tmp_path / "a.zarr", STACK, (1, 32, 32))
    picture = read_picture(tmp_path / "a.zarr")
    assert picture.axes is None
    np.testing.assert_array_equal(np.asarray(picture.array), STACK)


@pytest.mark.parametrize("what", ["empty", "group", "words"])
def test_a_zarr_folder_without_a_picture(tmp_path, what):
    path = tmp_path / "a.zarr"
    path.mkdir()
    if what != "empty":
        group = zarr.open_group(str(path), mode="w")
        if what == "words":
            group.attrs["multiscales"] = [{"datasets": [{"path": "nowhere"}]}]
    with pytest.raises(PictureFileError, match=r"a\.zarr holds no picture of OME-Zarr"):
        read_picture(path)


def test_a_missing_chunk_of_zarr_counts_as_its_fill_value_and_a_damaged_one_is_said(tmp_path):
    path = tmp_path / "a.zarr"
    save(path, STACK[0], (32, 32), **FORM_2)
    (path / "0.0").write_bytes(b"nonsense")
    with pytest.raises(PictureFileError, match="is damaged"):
        load_picture(path)


def test_a_zarr_that_tifffile_does_not_know_is_as_none(tmp_path, no_room, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, compression="zlib")

    def refuse(store, mode):
        store.close()
        raise TypeError("Unsupported type for store_like: 'ZarrTiffStore'")

    monkeypatch.setattr(zarr, "open", refuse)
    with pytest.raises(PictureFileError, match=r"unpacks to 31 kB .* to read it in parts: pip"):
        read_picture(path)
