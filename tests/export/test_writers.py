"""napari's Save writes Labels layers through the manifest's writers."""

import json

import numpy as np
import pytest
from napari.layers import Labels

from napari_sam_onnx.export.formats import read_objects
from napari_sam_onnx.export.readers import find_reader
from napari_sam_onnx.export.writers import stack_of, write_coco_layer
from tests.export.test_formats import LABELS, SHAPE, STACK


@pytest.mark.parametrize("suffix", [".json", ".geojson", ".zip", ".zarr", ".txt", ".csv"])
def test_a_layer_is_saved_in_each_format(tmp_path, suffix):
    import importlib

    from npe2 import PluginManifest

    import napari_sam_onnx

    folder = napari_sam_onnx.__path__[0]
    manifest = PluginManifest.from_file(f"{folder}/napari.yaml")
    commands = {c.id: c.python_name for c in manifest.contributions.commands}
    (writer,) = [w for w in manifest.contributions.writers if suffix in w.filename_extensions]
    assert writer.layer_types == ["labels"]
    module, name = commands[writer.command].split(":")
    layer = Labels(LABELS, name="cells", scale=(0.5, 0.5), units=("um", "um"))
    data, attributes, _ = layer.as_layer_data_tuple()
    path = str(tmp_path / f"out{suffix}")
    write = getattr(importlib.import_module(module), name)
    assert write(path, data, attributes) == [path]
    assert write(path, data, attributes) == [path]  # napari has asked
    if suffix == ".csv":
        assert "area_um2" in (tmp_path / "out.csv").read_text()
    else:
        read, _ = read_objects(tmp_path / f"out{suffix}", SHAPE)
        assert ((read > 0) == (LABELS > 0)).mean() > 0.99
    if suffix == ".json":
        assert json.loads((tmp_path / "out.json").read_text())["images"][0]["file_name"] == "cells"


def test_axes_and_sizes_come_from_the_layer():
    layer = Labels(STACK, axis_labels=("t", "y", "x"), scale=(3, 200, 300), units=("s", "nm", "nm"))
    data, attributes, _ = layer.as_layer_data_tuple()
    stack = stack_of(data, attributes)
    assert stack.axes == "TYX"
    assert stack.pixel_size == pytest.approx({"Y": 0.2, "X": 0.3})
    plain = stack_of(*Labels(STACK).as_layer_data_tuple()[:2])
    assert plain.axes == "ZYX" and plain.pixel_size == {}
    assert stack_of(LABELS > 0, {}).labels.dtype == np.uint8


def test_objects_that_were_saved_are_opened_with_their_classes(tmp_path):
    path = tmp_path / "day one.json"
    labels = np.zeros((20, 30), np.uint32)
    labels[2:9, 3:9], labels[11:18, 20:28] = 4, 70_000
    features = {"index": [4, 70_000], "class": ["cell", ""]}
    kept = {"napari-sam-onnx": {"classes": [("cell", "#ff0000"), ("debris", "#00ff00")]}}
    write_coco_layer(str(path), labels, {"features": features, "metadata": kept})
    ((data, attributes, kind),) = find_reader(str(path))(str(path))
    assert kind == "labels" and attributes["name"] == "day one"
    np.testing.assert_array_equal(data, labels)
    assert attributes["features"] == features and attributes["metadata"] == kept
    path.write_text('{"images": "none"}')
    assert find_reader(str(path)) is None and find_reader([str(path)]) is None
    assert find_reader(str(tmp_path)) is None
