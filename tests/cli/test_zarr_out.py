"""Labels as OME-Zarr: read back by ome-zarr itself, and never over anything else."""

import os
import warnings

import numpy as np
import pytest
import tifffile

from napari_sam_onnx.cli import label_file
from napari_sam_onnx.pictures.picture_file import read_picture
from tests.fakes import ComponentModel, draw_discs

pytestmark = pytest.mark.usefixtures("component_model")


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """Two discs in five planes of 96 x 80, with sizes."""
    for command in ("track", "carry"):
        model = ComponentModel(scores=(0.95, 0.3, 0.1))
        monkeypatch.setattr(
            f"napari_sam_onnx.cli.commands.{command}.load_model", lambda *_, m=model, **__: m
        )
    planes = [draw_discs((96, 80), [(20, 12 + 2 * z), (60, 60 - 2 * z)], 7) for z in range(5)]
    path = tmp_path / "stack.ome.tif"
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(path, np.stack(planes), metadata={"axes": "ZYX", **sizes})
    return path


def read_back(path):
    """Pyramid and metadata, as ome-zarr's own reader gives them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from ome_zarr.io import parse_url
        from ome_zarr.reader import Reader

        (node,) = (n for n in Reader(parse_url(str(path / "labels" / "objects")))() if n.data)
        return [np.asarray(level) for level in node.data], node.metadata


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("command", ["segment", "track", "carry"])
def test_labels_are_written_plane_by_plane(run, tmp_path, monkeypatch, stack, command, on_disk):
    if on_disk:
        monkeypatch.setattr(label_file, "MEMORY", 0)
    words = {
        "segment": ("--link", "z"),
        "track": ("--axes", "TYX"),
        "carry": ("--point", "0,20,12"),
    }[command]
    out, plain = tmp_path / "out.ome.zarr", tmp_path / "plain.tif"
    assert run(command, stack, "-o", plain, *words)[0] == 0
    code, said, err = run(command, stack, "-o", out, *words)
    assert (code, err) == (0, "") and "out.ome.zarr" in said
    levels, metadata = read_back(out)
    wanted = tifffile.imread(plain)
    np.testing.assert_array_equal(levels[0], wanted)
    assert wanted.max() >= 1
    assert [level.shape for level in levels] == [
        (5, 96, 80), (5, 48, 40), (5, 24, 20), (5, 12, 10), (5, 6, 5)
    ]  # fmt: skip
    assert set(np.unique(levels[2])) <= set(np.unique(wanted))  # no label is mixed of others
    scales = metadata["coordinateTransformations"][1][0]["scale"]
    assert scales == ([1.0, 1.0, 1.0] if command == "track" else [2.0, 1.0, 1.0])
    again = read_picture(out)  # and it is a picture of its own, for --fill, --labels, evaluate
    assert again.axes == ("TYX" if command == "track" else "ZYX")
    np.testing.assert_array_equal(np.asarray(again.array), wanted)
    assert sorted(os.listdir(tmp_path)) == ["out.ome.zarr", "plain.tif", "stack.ome.tif"]


def test_nothing_is_replaced_without_being_told(run, tmp_path, stack):
    out = tmp_path / "out.ome.zarr"
    assert run("segment", stack, "-o", out)[0] == 0
    code, _, said = run("segment", stack, "-o", out)
    assert code == 2 and "--force" in said
    assert run("segment", stack, "-o", out, "--force")[0] == 0
    other = tmp_path / "mine.zarr"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    code, _, said = run("segment", stack, "-o", other, "--force")
    assert code == 2 and "no folder of zarr" in said
    assert (other / "notes.txt").read_text() == "mine"


def test_a_stopped_run_leaves_what_was_there(run, tmp_path, monkeypatch, component_model, stack):
    out = tmp_path / "out.ome.zarr"
    assert run("segment", stack, "-o", out, "--link", "z")[0] == 0
    before = read_back(out)[0][0]

    def stop(image):
        raise KeyboardInterrupt

    monkeypatch.setattr(component_model, "encode", stop)
    assert run("segment", stack, "-o", out, "--force")[0] == 130
    np.testing.assert_array_equal(read_back(out)[0][0], before)
    assert sorted(os.listdir(tmp_path)) == ["out.ome.zarr", "stack.ome.tif"]


def test_what_the_format_cannot_hold_is_said_first(run, tmp_path, monkeypatch, stack):
    code, _, said = run("segment", stack, "-o", tmp_path / "o.zarr", "--axes", "YXT")
    assert code == 2 and "TYX" in said and "YXT" in said
    monkeypatch.setitem(__import__("sys").modules, "ome_zarr.writer", None)
    code, _, said = run("segment", stack, "-o", tmp_path / "o.zarr")
    assert code == 2 and "napari-sam-onnx[ome-zarr]" in said
    assert sorted(os.listdir(tmp_path)) == ["stack.ome.tif"]
