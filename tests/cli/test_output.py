"""Work that is done counts though no line can be printed; a result that cannot be is told."""

import os
import subprocess
import sys

import pytest
import tifffile

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")

COMMAND = [sys.executable, "-m", "napari_sam_onnx"]


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


def test_what_libraries_log_stands_in_a_file_and_not_before_the_sentence(tmp_path):
    hurt = tmp_path / "hurt.tif"
    tifffile.imwrite(hurt, [[1, 2], [3, 4]], description="x" * 400)
    content = bytearray(hurt.read_bytes())
    content[8:10] = b"\xff\x7f"  # so many tags that they reach beyond the file
    hurt.write_bytes(content)
    home = tmp_path / "home"
    done = call(
        "segment",
        hurt,
        "-o",
        tmp_path / "out.tif",
        stdout=subprocess.PIPE,
        NAPARI_SAM_ONNX_HOME=str(home),
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: hurt.tif cannot be read: it is damaged, or was copied in part.\n"
    kept = (home / "logs" / "napari-sam-onnx.log").read_text(encoding="utf-8")
    assert "tifffile" in kept and "Traceback" in kept


def test_a_word_without_an_end_is_cut_short(picture, tmp_path):
    model = "9" * 4000
    done = call(
        "segment", picture, "-o", tmp_path / "o.tif", "--model", model, stdout=subprocess.PIPE
    )
    assert done.returncode == 2
    assert "99…99" in done.stderr and len(done.stderr) < 400


INTERRUPTED = """
import signal, sys, time
from napari_sam_onnx.cli.logs import keep_logs

class HalfMade:
    def __del__(self):
        if sys.argv[1] == "lost":
            signal.raise_signal(signal.SIGINT)
        raise AttributeError("it was never made")

signal.signal(signal.SIGINT, signal.default_int_handler)
with keep_logs():
    try:
        HalfMade()
        time.sleep(sys.argv[1] == "lost")
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize(("how", "said"), [("lost", "interrupted\n"), ("none", "")])
def test_an_interrupt_is_not_lost_in_what_python_cannot_raise(tmp_path, how, said):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, how],
        capture_output=True,
        text=True,
        env={**os.environ, "NAPARI_SAM_ONNX_HOME": str(tmp_path)},
        timeout=100,
    )
    assert (done.stdout, done.stderr) == (said, "")
    log = tmp_path / "logs" / "napari-sam-onnx.log"
    assert log.exists() == (how == "none")
