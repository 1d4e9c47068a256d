"""Classes given as objects are accepted and afterwards; undone, shown, counted, kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam_onnx.export.formats import write_objects
from napari_sam_onnx.export.writers import stack_of
from napari_sam_onnx.plugin.commits.recording import describe_layer
from napari_sam_onnx.plugin.editing.classes import Classes
from napari_sam_onnx.plugin.editing.editing import Editor
from napari_sam_onnx.plugin.editing.gestures import Gestures
from napari_sam_onnx.plugin.layers.classes import read_layer_classes, write_layer_classes
from napari_sam_onnx.records.acts import name_objects
from tests.plugin.conftest import CENTERS, Bench

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def classed(bench: Bench) -> Classes:
    bench.open()
    made = Classes(bench.commits, Gestures(bench.session))
    made.add("cell")
    made.add("cell/mitotic")
    return made


def accept(bench: Bench, at: Any) -> None:
    bench.click(*at)
    bench.commits.accept()


def known(bench: Bench) -> dict[int, str]:
    return read_layer_classes(bench.commits.labels.layer)


def test_without_classes_labels_have_no_column(bench: Bench) -> None:
    bench.open()
    made = Classes(bench.commits, Gestures(bench.session))
    accept(bench, CENTERS[0])
    assert "class" not in bench.commits.labels.layer.features
    made.press(1, (0, 0))
    assert "no classes yet" in bench.said
    made.brush()
    assert "no classes yet" in bench.said and made.gestures.current is None


def test_accepted_objects_get_the_class_of_the_moment(bench: Bench, classed: Classes) -> None:
    accept(bench, CENTERS[0])
    classed.choose("cell")
    bench.lane.hold()
    accept(bench, CENTERS[1])  # its answer comes when another class is chosen
    classed.choose("")
    bench.lane.release()
    bench.click(*CENTERS[2])
    classed.press(2, (0, 0))
    assert bench.ids == [1, 2, 3] and known(bench) == {2: "cell", 3: "cell/mitotic"}
    assert classed.counts == {"": 1, "cell": 1, "cell/mitotic": 1}
    assert classed.current == ""
    bench.commits.undo()
    assert bench.ids == [1, 2] and known(bench) == {2: "cell"}
    bench.commits.redo()
    assert known(bench) == {2: "cell", 3: "cell/mitotic"}


def test_a_number_that_is_used_again_has_no_old_class(bench: Bench, classed: Classes) -> None:
    classed.choose("cell")
    accept(bench, CENTERS[0])
    bench.commits.undo()
    bench.commits.undo()
    classed.choose("")
    accept(bench, CENTERS[1])
    assert bench.ids == [1] and known(bench) == {}


def test_objects_get_a_class_afterwards_as_one_step(bench: Bench, classed: Classes) -> None:
    for at in CENTERS:
        accept(bench, at)
    classed.press(1, CENTERS[1])
    assert known(bench) == {2: "cell"} and "Object 2 as “cell”" in bench.said
    classed.choose("cell/mitotic")
    classed.brush()
    classed.gestures.click(CENTERS[0])
    classed.gestures.stroke([CENTERS[0], CENTERS[1], CENTERS[2]])
    assert known(bench) == dict.fromkeys((1, 2, 3), "cell/mitotic")
    assert classed.gestures.current is not None  # the brush goes on
    bench.commits.undo()
    assert known(bench) == {1: "cell/mitotic", 2: "cell"}
    bench.commits.undo()
    bench.commits.undo()
    assert known(bench) == {} and "Undone: object 2 as “cell”" in bench.said
    classed.press(0, CENTERS[1])
    assert "so it was already" in bench.said
    classed.press(1, (5, 5))  # nothing is there: the next objects
    assert classed.current == "cell"
    classed.press(7, (5, 5))
    assert "no class 7" in bench.said


def test_a_stroke_names_objects_of_two_label_images_that_have_one_number(
    bench: Bench, classed: Classes
) -> None:
    accept(bench, CENTERS[0])
    first = bench.commits.labels.layer
    y, x = CENTERS[1]
    drawn = np.zeros_like(first.data)
    drawn[y - 3 : y + 4, x - 3 : x + 4] = 1
    second = bench.viewer.add_labels(drawn, name="second")
    classed.choose("cell")
    classed.brush()
    classed.gestures.stroke([CENTERS[0], CENTERS[1]])
    assert [read_layer_classes(layer) for layer in (first, second)] == [{1: "cell"}] * 2


def test_corrected_objects_keep_their_class_unless_it_is_named(
    bench: Bench, classed: Classes
) -> None:
    classed.choose("cell")
    accept(bench, CENTERS[0])
    classed.choose("cell/mitotic")
    bench.commits.correct_at(CENTERS[0])
    bench.click(*CENTERS[1])
    bench.commits.accept()
    assert bench.ids == [1] and known(bench) == {1: "cell"}
    bench.commits.correct_at(CENTERS[1])
    bench.click(*CENTERS[2])
    classed.press(2, (0, 0))
    assert bench.ids == [1] and known(bench) == {1: "cell/mitotic"}


def test_parts_of_an_object_have_its_class(bench: Bench, classed: Classes) -> None:
    classed.choose("cell")
    accept(bench, CENTERS[0])
    editor = Editor(bench.commits, classed.gestures)
    editor.ask("split")
    y, x = CENTERS[0]
    classed.gestures.stroke([(y - 15, x), (y + 15, x)])
    assert bench.ids == [1, 2] and known(bench) == {1: "cell", 2: "cell"}
    bench.commits.undo()
    assert bench.ids == [1] and known(bench) == {1: "cell"}


def test_colours_and_texts_show_classes(bench: Bench, classed: Classes) -> None:
    accept(bench, CENTERS[0])
    layer = bench.commits.labels.layer
    own = layer.get_color(1)
    classed.press(1, CENTERS[0])
    accept(bench, CENTERS[1])
    color = np.array([*classed.listed[0].rgb, 255]) / 255
    assert (
        abs(layer.get_color(1) - color).max() < 0.3
        and layer.get_color(2)[0] == layer.get_color(2)[1]
    )
    classed.choose_shown("text")
    np.testing.assert_array_equal(layer.get_color(1), own)
    (texts,) = [other for other in bench.viewer.layers if other.name == "SAM classes"]
    np.testing.assert_array_equal(texts.data, [CENTERS[0]])
    assert list(texts.text.values) == ["cell"]
    classed.choose_shown("both")
    classed.press(2, CENTERS[1])
    assert list(texts.text.values) == ["cell", "mitotic"]
    classed.change("cell", "#123456")
    assert abs(layer.get_color(1) - np.array([0x12, 0x34, 0x56, 255]) / 255).max() < 0.3
    classed.choose_shown("nothing")
    assert texts not in bench.viewer.layers
    np.testing.assert_array_equal(layer.get_color(1), own)
    classed.choose_shown("text")
    classed.close()
    assert "SAM classes" not in [other.name for other in bench.viewer.layers]


def test_lists_are_kept_with_the_labels_and_in_files(
    bench: Bench, classed: Classes, tmp_path: Path
) -> None:
    classed.choose("cell")
    accept(bench, CENTERS[0])
    classed.save(tmp_path / "classes.yaml")
    classed.remove("cell")
    assert "give them another class" in bench.said and len(classed.listed) == 2
    classed.remove("cell/mitotic")
    classed.add("cell")
    assert "two classes" in bench.said
    (tmp_path / "other.yaml").write_text("[debris]")
    classed.load(tmp_path / "other.yaml")
    assert [one.name for one in classed.listed] == ["debris", "cell"]  # what is used stays
    classed.load(tmp_path / "none.yaml")
    assert "There is no file" in bench.said
    again = Classes(bench.commits, Gestures(bench.session))
    bench.commits.labels.changed.emit()
    assert [one.name for one in again.listed] == ["debris", "cell"]
    again.load(tmp_path / "classes.yaml")
    assert [one.name for one in again.listed] == ["cell", "cell/mitotic"]


def test_classes_of_objects_come_back_from_tables_and_exports(
    bench: Bench, classed: Classes, tmp_path: Path
) -> None:
    table, coco = tmp_path / "objects.csv", tmp_path / "objects.json"
    table.write_text("label,class\n1,cell/mitotic\n2,debris\n9,cell\n")
    classed.load(table)
    assert "Choose first" in bench.said
    for center in CENTERS[:2]:
        accept(bench, center)
    layer = bench.commits.labels.layer
    classed.load(table)
    assert "Classes of 2 objects from objects.csv" in bench.said
    assert read_layer_classes(layer) == {1: "cell/mitotic", 2: "debris"}
    assert [one.name for one in classed.listed] == ["cell", "cell/mitotic", "debris"]
    write_objects(coco, stack_of(*layer.as_layer_data_tuple()[:2]))
    bench.commits.undo()
    assert read_layer_classes(layer) == {}
    classed.load(coco)
    assert read_layer_classes(layer) == {1: "cell/mitotic", 2: "debris"}
    table.write_text("label,class\n7,cell\n")
    classed.load(table)
    assert "no class of an object" in bench.said
    coco.write_text("{}")
    classed.load(coco)
    assert "cannot be read" in bench.said


def test_recipes_hold_classes(bench: Bench, classed: Classes) -> None:
    classed.choose("cell")
    accept(bench, CENTERS[0])
    accept(bench, CENTERS[1])
    classed.press(2, CENTERS[1])
    recipe = describe_layer(bench.commits.labels.layer)
    again = type(recipe).from_json(recipe.to_json())
    assert again.classes == classed.listed
    assert name_objects(again.acts) == {1: "cell", 2: "cell/mitotic"}
    bench.commits.undo()
    recipe = describe_layer(bench.commits.labels.layer)
    assert name_objects(recipe.acts) == {1: "cell", 2: "cell"}


def test_other_columns_stay(bench: Bench, classed: Classes) -> None:
    accept(bench, CENTERS[0])
    layer = bench.commits.labels.layer
    layer.features = {"index": [1, 5], "rating": [0.5, 0.7], "flags": ["a", ""]}
    write_layer_classes(layer, {5: "cell", 9: "cell"})
    assert list(layer.features["index"]) == [1, 5, 9]
    assert list(layer.features["class"]) == ["", "cell", "cell"]
    assert list(layer.features["flags"]) == ["a", "", ""]
    assert np.isnan(layer.features["rating"][2])
