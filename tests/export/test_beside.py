"""A file is the old one or the whole new one, whatever happens while it is written."""

import errno
import os

import pytest

from napari_sam_onnx.export.beside import write_beside
from napari_sam_onnx.pictures.picture_file import PictureFileError


def test_the_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "a.tif"
    with write_beside(path) as part:
        part.write_text("new")
        assert part.parent == path.parent
        assert part.suffix == path.suffix
        assert not path.exists()
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.tif"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_an_interruption_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.tif"
    path.write_text("old")
    with pytest.raises(error), write_beside(path, overwrite=True) as part:
        part.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.tif"]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "a.tif cannot be written: the disk is full; free some space"),
        (errno.EROFS, "a.tif cannot be written: the disk is read-only"),
        (errno.EACCES, "a.tif cannot be written: you may not write there"),
        (errno.EIO, "a.tif cannot be written: Input/output error."),
    ],
)
def test_what_the_disk_refuses_is_said(tmp_path, number, sentence):
    path = tmp_path / "a.tif"
    path.write_text("old")
    with (
        pytest.raises(PictureFileError, match=sentence),
        write_beside(path, overwrite=True) as part,
    ):
        part.write_text("half")
        raise OSError(number, os.strerror(number))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.tif"]


def test_an_existing_file_is_kept(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("old")
    with (
        pytest.raises(PictureFileError, match="exists; use --force to replace it"),
        write_beside(path),
    ):
        pytest.fail("work was begun")
    assert path.read_text() == "old"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "a.tif"
    with pytest.raises(PictureFileError, match="exists"), write_beside(path) as part:
        part.write_text("ours")
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["a.tif"]


def test_an_existing_file_is_replaced_when_allowed(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("old")
    with write_beside(path, overwrite=True) as part:
        part.write_text("new")
    assert path.read_text() == "new"


def test_a_missing_folder_is_named_before_work_begins(tmp_path):
    with (
        pytest.raises(PictureFileError, match=r"The folder .*missing does not exist"),
        write_beside(tmp_path / "missing" / "a.tif"),
    ):
        pytest.fail("work was begun")


def test_a_folder_in_place_of_the_file(tmp_path):
    with pytest.raises(PictureFileError, match="is a folder"), write_beside(tmp_path):
        pytest.fail("work was begun")


def test_a_folder_that_takes_no_files_is_named_before_work_begins(tmp_path, monkeypatch):
    def refuse(part):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("napari_sam_onnx.writing._create", refuse)
    with (
        pytest.raises(PictureFileError, match="you may not write there"),
        write_beside(tmp_path / "a.tif"),
    ):
        pytest.fail("work was begun")
