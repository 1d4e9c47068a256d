"""Labels come back from their files as they went in."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam_onnx.export.images import check_label_path, write_labels
from napari_sam_onnx.pictures.picture_file import PictureFileError, read_picture


def labels_of(*shape, largest):
    labels = np.zeros(shape, np.uint32)
    labels.flat[3:6] = (1, 2, largest)
    return labels


@pytest.mark.parametrize(("largest", "dtype"), [(65535, np.uint16), (65536, np.uint32)])
@pytest.mark.parametrize("axes", ["YX", "ZYX", "TZYX"])
def test_tiff_keeps_ids_axes_and_pixel_size(tmp_path, largest, dtype, axes):
    path = tmp_path / "a.tif"
    labels = labels_of(*(2, 3, 20, 30)[-len(axes) :], largest=largest)
    write_labels(path, labels, axes, {"Y": 0.5, "X": 0.25})
    stored = read_picture(path)
    assert stored.array.dtype == dtype
    assert stored.axes == axes
    assert stored.pixel_size == {"Y": 0.5, "X": 0.25}
    np.testing.assert_array_equal(stored.array, labels)


def test_tiff_keeps_an_order_that_ome_does_not_know(tmp_path):
    labels = labels_of(20, 30, 4, largest=7)
    write_labels(tmp_path / "a.tif", labels, "YXZ")
    stored = read_picture(tmp_path / "a.tif")
    assert stored.axes == "YXZ"
    np.testing.assert_array_equal(stored.array, labels)


def test_tiff_is_compressed(tmp_path):
    write_labels(tmp_path / "a.tif", np.zeros((500, 500), np.uint32), "YX")
    assert (tmp_path / "a.tif").stat().st_size < 10_000
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].compression != 1


def test_png_is_16_bit(tmp_path):
    labels = labels_of(20, 30, largest=65535)
    write_labels(tmp_path / "a.png", labels, "YX")
    stored = np.asarray(Image.open(tmp_path / "a.png"))
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored, labels)


def test_png_refuses_more_labels_than_it_can_hold(tmp_path):
    with pytest.raises(PictureFileError, match="at most 65535 labels and there are 65536"):
        write_labels(tmp_path / "a.png", labels_of(20, 30, largest=65536), "YX")
    assert not (tmp_path / "a.png").exists()


def test_png_refuses_a_stack(tmp_path):
    with pytest.raises(PictureFileError, match=r"A PNG holds one plane .* ZYX; save them as .tif"):
        check_label_path(tmp_path / "a.png", "ZYX")


@pytest.mark.parametrize("name", ["a.jpg", "a"])
def test_an_unknown_suffix(name):
    with pytest.raises(PictureFileError, match="ends in none of them"):
        check_label_path(Path(name), "YX")
