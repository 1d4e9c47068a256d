"""The sample pictures: offline, with their truth, and made by the script beside them."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_sam_onnx import samples
from napari_sam_onnx.pictures.picture_file import read_picture

REPOSITORY = Path(__file__).parents[1]
AXES = {"nuclei": "YX", "blobs": "CYX", "stack": "ZYX", "series": "TYX"}
OPENERS = [value for name, value in vars(samples).items() if name.startswith("open_")]


@pytest.fixture(scope="module")
def maker():
    """The script, imported as a module."""
    folder = REPOSITORY / "sample_data"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("make_samples", folder / "make.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("simulator", None)


@pytest.mark.parametrize("name", samples.NAMES)
def test_each_sample_has_a_truth_of_its_shape(name):
    picture = read_picture(samples.sample_path(name))
    truth = read_picture(samples.sample_path(f"{name}_truth"))
    assert picture.axes == AXES[name]
    assert truth.axes == AXES[name].replace("C", "")
    assert picture.array.dtype == np.uint16
    assert truth.array.shape == picture.array.shape[-truth.array.ndim :]
    ids = np.unique(truth.array)
    np.testing.assert_array_equal(ids, np.arange(len(ids)))
    assert len(ids) > 30
    assert picture.pixel_size["Y"] == picture.pixel_size["X"] > 0


def test_all_samples_together_are_small():
    files = list(samples.sample_folder().glob("*.tif"))
    assert len(files) == 2 * len(samples.NAMES)
    assert sum(file.stat().st_size for file in files) < 15e6


def test_objects_stand_out_from_the_background():
    for name in ("nuclei", "stack", "series"):
        picture = read_picture(samples.sample_path(name)).array
        truth = read_picture(samples.sample_path(f"{name}_truth")).array
        assert picture[truth > 0].mean() > 1.5 * picture[truth == 0].mean()


def test_a_nucleus_of_the_series_divides_and_no_other_id_starts_late():
    truth = read_picture(samples.sample_path("series_truth")).array
    first = {int(i): int(np.argmax((truth == i).any(axis=(1, 2)))) for i in np.unique(truth)[1:]}
    late = [label for label, frame in first.items() if frame > 0]
    assert len(late) == 2
    assert first[late[0]] == first[late[1]] == len(truth) // 2


@pytest.mark.parametrize("name", ["nuclei", "series"])
def test_the_script_makes_the_shipped_pixels(maker, name):
    _, make = maker.MAKERS[name]
    picture, truth = make()
    shipped = read_picture(samples.sample_path(name)).array
    # Another build of the mathematics library may round one expected photon count the other way.
    assert np.mean(picture != shipped) < 1e-3
    shipped_truth = read_picture(samples.sample_path(f"{name}_truth")).array
    assert np.mean(truth != shipped_truth) < 1e-3


def test_the_saved_file_keeps_axes_and_pixel_size(maker, tmp_path):
    path = tmp_path / "a.tif"
    maker.save_picture(path, np.zeros((3, 8, 9), np.uint16), "ZYX", {"Z": 2.0, "Y": 0.5, "X": 0.5})
    picture = read_picture(path)
    assert (picture.axes, picture.array.shape) == ("ZYX", (3, 8, 9))
    assert picture.pixel_size == {"Z": 2.0, "Y": 0.5, "X": 0.5}


@pytest.mark.parametrize("opener", OPENERS, ids=lambda f: f.__name__)
def test_samples_open_as_napari_layers(opener):
    layers = opener()
    assert opener.__doc__
    for data, options, kind in layers:
        assert kind == "image"
        assert data.size > 10_000
        spatial = data.ndim - bool(options.get("rgb"))
        for key in ("scale", "units", "axis_labels"):
            assert len(options.get(key, range(spatial))) == spatial


@pytest.mark.parametrize("opener", OPENERS, ids=lambda f: f.__name__)
def test_samples_open_in_napari(opener, npe2pm):
    """Through the manifest, as File > Open Sample does it."""
    from napari.components import ViewerModel

    viewer, expected = ViewerModel(), opener()
    with npe2pm.tmp_plugin(package="napari-sam-onnx") as plugin:
        contributed = plugin.manifest.contributions.sample_data
        (key,) = [s.key for s in contributed if s.command.endswith(f".{opener.__name__}")]
        viewer.open_sample("napari-sam-onnx", key)
    assert len(viewer.layers) == len(expected)
    for layer, (data, options, _) in zip(viewer.layers, expected, strict=True):
        np.testing.assert_array_equal(layer.data, data)
        assert layer.name == options["name"]
        assert list(layer.scale) == list(options.get("scale", [1.0] * layer.ndim))
