"""Classes in the formats that know them, and back."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
from napari.layers import Labels

from napari_sam_onnx.export.formats import read_object_classes, write_objects
from napari_sam_onnx.export.label_stack import LabelStack
from napari_sam_onnx.export.writers import MARK, stack_of
from napari_sam_onnx.labels.classes import ObjectClass
from napari_sam_onnx.labels.label_image import LabelError
from tests.export.test_formats import LABELS

if TYPE_CHECKING:
    from pathlib import Path

LIST = (
    ObjectClass("cell", "#ff0000"),
    ObjectClass("cell/mitotic", "#00ff00"),
    ObjectClass("unused", "#0000ff"),
)
CLASSES = {3: "cell/mitotic", 5: "cell", 6: "cell", 70_000: "debris"}
STACK = LabelStack(LABELS, "YX", "cells.tif", classes=CLASSES, class_list=LIST)
BY_LABEL = [3, 5, 6, 70_000, 4_000_000_000]


def test_coco_has_classes_as_categories(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_objects(path, STACK)
    document = json.loads(path.read_text())
    names = ["cell", "cell/mitotic", "unused", "debris", "object"]
    assert [one["name"] for one in document["categories"]] == names
    assert [one["supercategory"] for one in document["categories"]][:2] == ["object", "cell"]
    numbers = {one["label"]: one["category_id"] for one in document["annotations"]}
    assert [numbers[label] for label in BY_LABEL] == [2, 1, 1, 4, 5]
    classes, listed = read_object_classes(path)
    assert classes == CLASSES and listed[:3] == LIST and len(listed) == 4


def test_all_classed_means_no_further_category(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_objects(path, LabelStack(LABELS * (LABELS == 5), "YX", classes={5: "cell"}))
    document = json.loads(path.read_text())
    assert [one["name"] for one in document["categories"]] == ["cell"]
    document["categories"] = [{"id": 1}]
    path.write_text(json.dumps(document))
    with pytest.raises(LabelError, match="categories of out"):
        read_object_classes(path)


@pytest.mark.parametrize("name", ["yolo", "yolo-boxes"])
def test_yolo_numbers_classes_from_zero(tmp_path: Path, name: str) -> None:
    path = tmp_path / "out.txt"
    write_objects(path, STACK, name)
    assert [line.split()[0] for line in path.read_text().splitlines()] == ["1", "0", "0", "3", "4"]
    assert read_object_classes(path) == ({}, ())


def test_qupath_s_derived_classes(tmp_path: Path) -> None:
    path = tmp_path / "out.geojson"
    write_objects(path, STACK)
    features = json.loads(path.read_text())["features"]
    own = [feature["properties"].get("classification") for feature in features]
    assert own[0] == {"name": "cell: mitotic", "color": [0, 255, 0]} and own[-1] is None
    classes, listed = read_object_classes(path)
    assert classes == CLASSES
    assert {one.name: one.color for one in listed}["cell"] == "#ff0000"


def test_a_table_names_them(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_objects(path, STACK)
    with path.open() as file:
        rows = {int(row["label"]): row["class"] for row in csv.DictReader(file)}
    assert rows == {**CLASSES, 4_000_000_000: ""}


def test_a_layer_brings_its_own() -> None:
    kept = {MARK: {"classes": [(one.name, one.color) for one in LIST]}}
    features = {"index": [0, 3, 5], "class": ["", "cell/mitotic", None]}
    layer = Labels(LABELS, features=features, metadata=kept)
    stack = stack_of(*layer.as_layer_data_tuple()[:2])
    assert stack.classes == {3: "cell/mitotic"} and stack.class_list == LIST
