"""Files appear whole; what a killed process leaves is known as such, and nothing else is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from napari_sam_onnx import writing
from napari_sam_onnx.writing import find_leftovers, sweep, write_beside, write_bytes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is not known there")

WRITER = """
import sys, time
from pathlib import Path
from napari_sam_onnx.writing import write_beside
with write_beside(Path(sys.argv[1])) as part:
    part.write_text("half")
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """A process that is in the middle of writing a file."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "a.tif"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def test_what_is_being_written_is_no_leftover_until_its_writer_is_killed(writer, tmp_path):
    (tmp_path / "thesis.part").write_text("precious")
    (part,) = [path for path in tmp_path.iterdir() if path.name.startswith(".napari")]
    assert find_leftovers(tmp_path) == []
    assert sweep(tmp_path) == 0
    writer.send_signal(signal.SIGKILL)
    writer.wait(timeout=30)
    assert find_leftovers(tmp_path) == [part]
    assert sweep(tmp_path) == len("half")
    assert os.listdir(tmp_path) == ["thesis.part"]


def test_the_next_who_writes_to_the_folder_cleans_up(writer, tmp_path, monkeypatch):
    writer.send_signal(signal.SIGKILL)
    writer.wait(timeout=30)
    monkeypatch.setattr(writing, "_swept", set())
    write_bytes(tmp_path / "b.tif", b"whole")
    assert os.listdir(tmp_path) == ["b.tif"]


@pytest.mark.parametrize("length", [244, 255])
def test_long_names_need_no_longer_ones(tmp_path, length):
    path = tmp_path / ("n" * (length - 4) + ".tif")
    write_bytes(path, b"x")
    assert path.read_bytes() == b"x"
    assert len(list(tmp_path.iterdir())) == 1


def test_bytes_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    order = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("name"), replace(a, b)))
    write_bytes(tmp_path / "a", b"x")
    assert order == ["sync", "name", "sync"]


def test_a_folder_that_vanishes_is_no_traceback_of_the_cleaning(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    with pytest.raises(FileNotFoundError), write_beside(folder / "a") as part:
        part.unlink()
        folder.rmdir()


def test_nothing_else_moves_files_into_place():
    """The one place that renames what was written is `writing`."""
    package = Path(writing.__file__).parent
    users = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "os.replace(" in path.read_text(encoding="utf-8")
    ]
    assert set(users) == {"models/add.py", "models/onnx/compile/keep.py", "writing.py"}
