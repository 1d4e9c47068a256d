"""`export` writes labels for other programs and says what polygons lose."""

import csv

import numpy as np
import pytest
import tifffile

from napari_sam_onnx.export.formats import read_objects
from tests.export.test_formats import LABELS, SHAPE


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.tif"
    small = np.searchsorted(np.unique(LABELS), LABELS).astype(np.uint16)
    tifffile.imwrite(path, small, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.5})
    return path


def test_polygons_tell_what_they_lose(run, tmp_path, labels):
    out = tmp_path / "out.geojson"
    code, said, err = run("export", labels, "-o", out, "--tolerance", 0)
    assert (code, err) == (0, "")
    assert "5 objects" in said and "mean IoU 1.0000, worst 1.0000" in said
    read, _ = read_objects(out, SHAPE)
    np.testing.assert_array_equal(read > 0, LABELS > 0)
    assert "exists; use --force" in run("export", labels, "-o", out)[2]
    assert run("export", labels, "-o", out, "--force")[0] == 0


def test_other_formats_are_read_too(run, tmp_path, labels):
    zipped, back = tmp_path / "out.zip", tmp_path / "back.tif"
    run("export", labels, "-o", zipped, "--tolerance", 0)
    assert "give the shape" in run("export", zipped, "-o", back)[2]
    assert run("export", zipped, "-o", back, "--shape", "40x60")[0] == 0
    np.testing.assert_array_equal(tifffile.imread(back), tifffile.imread(labels))
    assert "cannot be read" in run("export", zipped, "-o", back, "--shape", "40")[2]
    assert "no file" in run("export", tmp_path / "no.json", "-o", back)[2]


def test_a_table_takes_intensities(run, tmp_path, labels):
    picture, out = tmp_path / "picture.tif", tmp_path / "out.csv"
    tifffile.imwrite(picture, np.full((3, *SHAPE), 7, np.uint8), metadata={"axes": "CYX"}, ome=True)
    assert run("export", labels, "-o", out, "--image", picture)[0] == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["intensity_mean_2"] for row in rows} == {"7.0"}


def test_stacks_and_axes(run, tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack([LABELS.astype(np.uint16)] * 2, axis=-1))
    out = tmp_path / "out.json"
    assert "--axes" in run("export", path, "-o", out)[2]
    assert run("export", path, "-o", out, "--axes", "YXZ")[0] == 0
    assert read_objects(out)[1] == "ZYX"
    assert "no channels" in run("export", path, "-o", out, "--axes", "YXC", "--force")[2]


def test_a_format_may_be_named(run, tmp_path, labels):
    out = tmp_path / "boxes.txt"
    assert run("export", labels, "-o", out, "--format", "yolo-boxes")[0] == 0
    assert all(len(line.split()) == 5 for line in out.read_text().splitlines())
    assert "tells no format" in run("export", labels, "-o", tmp_path / "a.doc")[2]


def test_classes_come_from_a_table_and_a_list(run, tmp_path, labels):
    table, listed = tmp_path / "objects.csv", tmp_path / "classes.yaml"
    table.write_text("label,class\n1,debris\n2,cell\n3,cell\n")
    listed.write_text("classes: [cell, {name: debris, color: '#ff0000'}]")
    out = tmp_path / "out.txt"
    code, said, _ = run("export", labels, "-o", out, "--classes", table, "--class-list", listed)
    assert code == 0 and "0 cell: 2, 1 debris: 1" in said
    assert [line[0] for line in out.read_text().splitlines()] == ["1", "0", "0", "2", "2"]
    back, again = tmp_path / "out.json", tmp_path / "again.geojson"
    assert run("export", labels, "-o", back, "--classes", table)[0] == 0
    assert "1 debris: 1, 2 cell: 2" in run("export", back, "-o", again)[1]  # carried over
    said = run("export", labels, "-o", tmp_path / "out.zip", "--classes", table)[2]
    assert "holds no classes; coco, geojson" in said
