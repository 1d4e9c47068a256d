"""Lists of classes as YAML, and tables that say which object is of which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam_onnx.labels.classes import (
    COLORS,
    ClassError,
    ObjectClass,
    complete_classes,
    format_classes,
    parse_classes,
    read_class_table,
    read_classes,
    write_class_table,
    write_classes,
)

if TYPE_CHECKING:
    from pathlib import Path

NESTED = """
classes:
  - name: cell
    color: "#FF0000"
    classes:
      - mitotic
      - {name: dead, color: "#00ff00", classes: [early]}
  - debris
"""


def test_a_list_may_be_nested_and_those_without_a_colour_get_one() -> None:
    read = parse_classes(NESTED)
    names = ["cell", "cell/mitotic", "cell/dead", "cell/dead/early", "debris"]
    assert [one.name for one in read] == names
    assert (read[0].color, read[2].color) == ("#ff0000", "#00ff00")
    assert [read[n].color for n in (1, 3, 4)] == list(COLORS[:3])
    assert read[0].rgb == (255, 0, 0) and read[3].parts == ["cell", "dead", "early"]


@pytest.mark.parametrize(
    "text",
    [
        "[cell, debris]",
        "names: {0: cell, 1: debris}",
        "path: data\nnames: [cell, debris]",
        "{cell: '#e69f00', debris: null}",
        "classes: {cell: {color: '#e69f00'}, debris: '#56b4e9'}",
    ],
)
def test_other_ways_to_write_a_list_are_read(text: str) -> None:
    made = (ObjectClass("cell", "#e69f00"), ObjectClass("debris", "#56b4e9"))
    assert parse_classes(text) == made


def test_mappings_may_nest() -> None:
    read = parse_classes("{cell: {mitotic: '#ff0000', dead: {early: null}}, debris: [old]}")
    names = ["cell", "cell/mitotic", "cell/dead", "cell/dead/early", "debris", "debris/old"]
    assert [one.name for one in read] == names and read[1].color == "#ff0000"


def test_what_is_written_is_read_again_in_its_order(tmp_path: Path) -> None:
    read = parse_classes(NESTED)
    assert "classes:\n  - name: mitotic" in format_classes(read)
    scattered = (read[1], read[4], read[0], read[3])
    for listed in (read, scattered):
        write_classes(tmp_path / "classes.yaml", listed)
        assert read_classes(tmp_path / "classes.yaml") == listed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cell, cell]", "two classes"),
        ("[{name: cell, colour: red}]", "got colour"),
        ("[{color: '#ff0000'}]", "no name"),
        ("[{name: cell, color: red}]", "#rrggbb"),
        ("['']", "a name of one line"),
        ("['cell/']", "a name of one line"),
        ("just text", "a list of names"),
        ("[a, ", "no YAML"),
        ("[]", "empty"),
    ],
)
def test_what_is_no_list_is_refused(text: str, said: str) -> None:
    with pytest.raises(ClassError, match=said):
        parse_classes(text)


def test_used_names_that_a_list_lacks_come_last() -> None:
    listed = (ObjectClass("b", "#e69f00"),)
    made = complete_classes(listed, ["c", "b", "", "c", "a"])
    assert [one.name for one in made] == ["b", "c", "a"] and made[1].color == COLORS[1]


def test_tables_say_which_object_is_of_which_class(tmp_path: Path) -> None:
    path = tmp_path / "objects.csv"
    write_class_table(path, {7: "b", 2: "a/c"})
    assert read_class_table(path) == {2: "a/c", 7: "b"}
    path.write_text("index,area,class\n3.0,5,a\n3,7,a\n4,5,\n")  # an object on two planes
    assert read_class_table(path) == {3: "a"}
    for text, said in (
        ("label,area\n1,2\n", "no columns"),
        ("label,class\nx,a\n", "no number"),
        ("label,class\n1,a\n1,b\n", "two classes"),
    ):
        path.write_text(text)
        with pytest.raises(ClassError, match=said):
            read_class_table(path)
    with pytest.raises(ClassError, match="There is no file"):
        read_class_table(tmp_path / "none.csv")
