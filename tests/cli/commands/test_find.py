"""``find``: words and boxes on the command line, on planes and stacks."""

import numpy as np
import pytest
import tifffile

from napari_sam_onnx import models
from napari_sam_onnx.export.ome_zarr import read_ome_zarr
from tests.automatic.test_look_up import GREEN, PINK, RED, ColourModel, draw


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """Three planes in colour; what reads text is a `ColourModel`."""
    monkeypatch.setattr(models, "load_text_model", lambda name: ColourModel())
    planes = [
        draw((10, 10, RED), (50, 80, GREEN), (30, 40, PINK)),
        draw((12, 12, RED), (50, 60, RED)),
        draw((50, 62, RED), (10, 90, PINK)),
    ]
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack(planes), photometric="rgb", metadata={"axes": "ZYXS"})
    return path


@pytest.mark.parametrize("name", ["labels.tif", "labels.ome.zarr"])
def test_a_word_is_found_on_every_plane(run, stack, tmp_path, name):
    out = tmp_path / name
    code, said, errors = run("find", stack, "-o", out, "--axes", "ZYXC", "--text", "green")
    assert code == 0, errors
    labels = tifffile.imread(out) if name.endswith("tif") else np.asarray(read_ome_zarr(out)[0])
    assert labels.shape == (3, 80, 120) and labels[0, 55, 85] == 1 and not labels[1:].any()
    assert "1 object in" in said + errors


def test_boxes_of_one_plane_find_what_looks_alike_on_all(run, stack, tmp_path):
    out = tmp_path / "labels.tif"
    boxes = ("--like", "0,9,9,22,22", "--unlike", "0,29,39,42,52", "--link", "z")
    code, _, errors = run("find", stack, "-o", out, "--axes", "ZYXC", *boxes)
    assert code == 0, errors
    labels = tifffile.imread(out)
    assert labels[0, 15, 15] == labels[1, 17, 17] == 1
    assert labels[1, 55, 65] == labels[2, 55, 67] == 2
    assert not labels[0, 35, 45] and not labels[2, 15, 95]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "Write what to look for with --text"),
        (("--unlike", "0,1,1,5,5"), "Show what is wanted with --like"),
        (("--like", "1,1,5"), "write PLANE,Y0,X0,Y1,X1"),
        (("--like", "0,1,1,5,5", "--like", "1,1,1,5,5"), "on one plane"),
        (("--like", "9,1,1,5,5"), "There is no plane 9"),
        (("--text", "red", "--link", "t"), "--link t: the planes run along Z"),
    ],
)
def test_what_cannot_be_looked_for_is_said(run, stack, tmp_path, given, says):
    code, _, errors = run("find", stack, "-o", tmp_path / "labels.tif", "--axes", "ZYXC", *given)
    assert code != 0 and says in errors
    assert not (tmp_path / "labels.tif").exists()
