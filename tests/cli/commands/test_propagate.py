"""``propagate``: a model that remembers, added by its files, follows objects in a file."""

import numpy as np
import pytest
import tifffile

from napari_sam_onnx.cli import main
from tests.models.memory_files import build_memory_files
from tests.models.onnx.memory.test_memory_model import BLUE, RED, draw


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def stack(home):
    frames = [draw((25, 25 + 10 * n, RED), (72, 100 - 10 * n, BLUE)) for n in range(4)]
    path = home / "stack.tif"
    tifffile.imwrite(path, np.stack(frames), metadata={"axes": "ZYXS"}, photometric="rgb")
    return path


def run(*words):
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return stop.value.code


@pytest.fixture
def added(home):
    files = build_memory_files(home / "files", "V5")
    assert run("models", "add", *files, "--id", "tiny-memory") == 0
    return "tiny-memory"


def test_two_objects_are_followed_through_a_file(added, stack, home, capsys):
    out = home / "labels.tif"
    code = run(
        "propagate", stack, "-o", out, "--model", added, "--axes", "ZYXC",
        "--point", "1,25,35", "--box", "7:3,54,52,90,88", "--background", "7:3,25,55",
    )  # fmt: skip
    said = capsys.readouterr()
    assert code == 0, said.err
    assert "2 objects on 4 of 4 planes" in said.out
    labels = tifffile.imread(out)
    assert set(np.unique(labels)) == {0, 1, 7}
    for z in range(4):
        assert np.allclose(np.argwhere(labels[z] == 1).mean(axis=0), (25, 25 + 10 * z), atol=3)
        assert np.allclose(np.argwhere(labels[z] == 7).mean(axis=0), (72, 100 - 10 * z), atol=3)


def test_a_point_on_a_later_plane_corrects(added, stack, home):
    out = home / "labels.tif"
    words = ("propagate", stack, "-o", out, "--model", added, "--axes", "ZYXC", "-q")
    assert run(*words, "--point", "0,25,25", "--point", "2,72,80") == 0
    labels = tifffile.imread(out)
    assert np.allclose(np.argwhere(labels[1] == 1).mean(axis=0), (25, 35), atol=3)
    assert np.allclose(np.argwhere(labels[2] == 1).mean(axis=0), (72, 80), atol=3)


def test_the_list_and_the_check_know_it(added, capsys):
    assert run("models", "list", "--for", "time") == 0
    assert "tiny-memory" in capsys.readouterr().out
    assert run("models", "check", added) == 0
    said = capsys.readouterr().out
    assert "V5" in said and "IoU with a moved disc" in said and "present" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--point", "0,40"), "PLANE,Y,X"),
        (("--point", "x"), "cannot be read"),
        (("--point", "0:0,25,25"), "label 0"),
        ((), "Point at an object"),
        (("--box", "0,1,1,9,9", "--box", "0,1,1,8,8"), "two boxes"),
        (("--point", "9,25,25"), "no plane 9"),
        (("--background", "0,25,25"), "background points alone"),
        (("--point", "0,25,25", "--at", "a"), "one index per axis"),
        (("--point", "0,25,25", "--model", "pebble"), "does not remember"),
    ],
)
def test_what_is_wrong_is_said(added, stack, home, capsys, words, says):
    out = home / "labels.tif"
    first = ("propagate", stack, "-o", out, "--model", added, "--axes", "ZYXC")
    assert run(*first, *words) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_files_that_are_no_such_model_are_not_added(home, capsys):
    files = build_memory_files(home / "files", "V5")
    assert run("models", "add", *files[:3], "--id", "half") == 2
    assert "recalls" in capsys.readouterr().err
