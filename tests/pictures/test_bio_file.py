"""Microscopes' formats, through a stand-in for bioio: the real one is optional and large."""

import sys
import types
from collections import namedtuple

import dask.array as dask_array
import numpy as np
import pytest

from napari_sam_onnx.pictures.contents import PictureFileError
from napari_sam_onnx.pictures.picture_file import list_pictures, read_picture

Sizes = namedtuple("Sizes", "Z Y X")


class UnsupportedFileFormatError(Exception):
    pass


@pytest.fixture
def bioio(monkeypatch):
    """Offer a bioio whose only picture has the given data, dimensions and sizes."""

    def install(data, order, sizes=Sizes(None, None, None), scenes=("0",), fails=False):  # noqa: B008
        class BioImage:
            def __init__(self, path):
                if fails:
                    raise UnsupportedFileFormatError("no reader for this file")
                self.dask_data = dask_array.from_array(data)
                self.dims = types.SimpleNamespace(order=order)
                self.physical_pixel_sizes, self.scenes = sizes, scenes

        exceptions = types.SimpleNamespace(UnsupportedFileFormatError=UnsupportedFileFormatError)
        monkeypatch.setitem(sys.modules, "bioio", types.SimpleNamespace(BioImage=BioImage))
        monkeypatch.setitem(sys.modules, "bioio_base", types.SimpleNamespace(exceptions=exceptions))
        monkeypatch.setitem(sys.modules, "bioio_base.exceptions", exceptions)

    return install


@pytest.mark.parametrize("suffix", ["czi", "nd2", "lif"])
def test_a_stack(tmp_path, bioio, suffix):
    path = tmp_path / f"a.{suffix}"
    path.touch()
    data = np.arange(2 * 4 * 5 * 6, dtype=np.uint16).reshape(1, 2, 4, 5, 6)
    bioio(data, "TCZYX", Sizes(1.5, 0.25, 0.25), ("0", "1"))
    picture = read_picture(path)
    assert (picture.axes, picture.others, picture.samples) == ("CZYX", 1, False)
    assert not isinstance(picture.array, np.ndarray)
    np.testing.assert_array_equal(picture.array, data[0])
    assert picture.pixel_size == {"Z": 1.5, "Y": 0.25, "X": 0.25}
    assert list_pictures(tmp_path) == [path]


def test_a_colour_picture_and_one_pixel(tmp_path, bioio):
    path = tmp_path / "a.czi"
    path.touch()
    bioio(np.zeros((1, 1, 1, 5, 6, 3), np.uint8), "TCZYXS")
    picture = read_picture(path)
    assert (picture.axes, picture.samples, picture.array.shape) == ("YXC", True, (5, 6, 3))
    bioio(np.zeros((1, 1, 1, 1, 1), np.uint8), "TCZYX")
    assert read_picture(path).axes == "YX"


def test_what_is_missing_is_named(tmp_path, bioio, monkeypatch):
    path = tmp_path / "a.lif"
    path.touch()
    bioio(np.zeros((1, 1)), "YX", fails=True)
    with pytest.raises(PictureFileError, match=r"pip install bioio-lif\.$"):
        read_picture(path)
    monkeypatch.setitem(sys.modules, "bioio", None)
    with pytest.raises(PictureFileError, match=r'"napari-sam-onnx\[formats\]"\.$'):
        read_picture(path)
