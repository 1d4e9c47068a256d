"""Work that is done counts though no line can be printed; a result that cannot be is told."""

import os
import subprocess
import sys

import pytest
import tifffile

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")

COMMAND = [sys.executable, "-c", "from napari_sam_onnx.cli import main; main()"]


def call(*words, stdout, **variables):
    return subprocess.run(
        [*COMMAND, *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **variables},
        text=True,
        errors="replace",
        timeout=100,
    )


def test_a_full_output_undoes_no_work(picture, tmp_path):
    out = tmp_path / "out.tif"
    with open("/dev/full", "w") as full:
        done = call("segment", picture, "-o", out, stdout=full)
    assert (done.returncode, done.stderr) == (0, "")
    assert tifffile.imread(out).shape == (54, 54)


def test_a_result_that_cannot_be_printed_is_an_error(picture):
    with open("/dev/full", "w") as full:
        done = call("evaluate", picture, picture, stdout=full)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: What was to be") or "output" in done.stderr
    assert "the disk is full" in done.stderr
    assert done.stderr.count("\n") == 1


def test_names_that_no_encoding_knows_are_printed_with_escapes(picture, tmp_path):
    name = os.fsdecode(b"pict\xffure-\xc3\xa9.tif")
    strange = tmp_path / name
    try:
        strange.write_bytes(picture.read_bytes())
    except OSError:
        pytest.skip("the file system takes no such names")
    out = tmp_path / (name + "-labels.tif")
    done = call(
        "segment",
        strange,
        "-o",
        out,
        stdout=subprocess.PIPE,
        PYTHONIOENCODING="ascii",
        PYTHONUTF8="0",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert out.exists()
    assert "\\udcff" in done.stdout and "3 objects" in done.stdout
