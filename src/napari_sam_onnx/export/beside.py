"""A result's file: refused where it may not be, and the old one or the whole new one."""

from __future__ import annotations

import secrets
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_sam_onnx import writing
from napari_sam_onnx.pictures.picture_file import PictureFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def write_beside(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Offer a file beside `path` to write to, and move it there if all goes well.

    The file is created at once, so that a place where nothing can be written is found before
    any work is done. Whatever happens inside, an interrupt included, no partial file is left
    and an existing `path` stays as it was.

    Parameters
    ----------
    path : Path
        Where the finished file goes.
    overwrite : bool
        Whether it may replace a file.

    Yields
    ------
    Path
        An empty file in the same folder, with the same suffix.

    Raises
    ------
    PictureFileError
        If `path` exists and may not be replaced, or cannot be written.
    """
    refuse_existing(path, overwrite=overwrite)
    try:
        if not path.parent.is_dir():
            raise PictureFileError(f"The folder {path.parent} does not exist; create it first.")
        with writing.write_beside(path) as part:
            yield part
            refuse_existing(path, overwrite=overwrite)  # it may have appeared meanwhile
    except OSError as error:
        raise PictureFileError(
            f"{path} cannot be written: {writing.explain_write(error)}."
        ) from error


@contextmanager
def write_folder_beside(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Offer a folder beside `path` for one of zarr, and move it there if all goes well.

    Whatever happens inside, no partial folder is left and an existing `path` stays as it was.

    Parameters
    ----------
    path : Path
        Where the finished folder goes.
    overwrite : bool
        Whether it may replace a folder of zarr; nothing else is replaced.

    Yields
    ------
    Path
        An empty folder beside it, with the same suffix.

    Raises
    ------
    PictureFileError
        If something is there that may not be replaced, or nothing can be written.
    """
    refuse_existing_folder(path, overwrite=overwrite)
    if not path.parent.is_dir():
        raise PictureFileError(f"The folder {path.parent} does not exist; create it first.")
    part = path.with_name(f".{path.stem[:80]}-{secrets.token_hex(4)}.part{path.suffix}")
    try:
        part.mkdir()
        yield part
        refuse_existing_folder(path, overwrite=overwrite)  # it may have appeared meanwhile
        if path.exists():
            shutil.rmtree(path)
        part.rename(path)
    except OSError as error:
        raise PictureFileError(
            f"{path} cannot be written: {writing.explain_write(error)}."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


# What a folder of zarr holds, in its two layouts.
_ZARR = ("zarr.json", ".zgroup", ".zattrs")


def refuse_existing_folder(path: Path, *, overwrite: bool) -> None:
    """Raise PictureFileError if something stands where a folder of zarr is to be written."""
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise PictureFileError(
            f"{path} cannot be written: {writing.explain_write(error)}."
        ) from error
    if not any((path / name).is_file() for name in _ZARR):
        raise PictureFileError(f"{path} exists and is no folder of zarr; use another name.")
    if not overwrite:
        raise PictureFileError(f"{path} exists; use --force to replace it.")


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise PictureFileError if a file stands where one is to be written."""
    try:
        status = path.lstat()
        is_folder = path.is_dir()
    except FileNotFoundError:
        return
    except OSError as error:
        raise PictureFileError(
            f"{path} cannot be written: {writing.explain_write(error)}."
        ) from error
    if is_folder:
        raise PictureFileError(f"{path} is a folder; name a file.")
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
        raise PictureFileError(f"{path} is no file (a device or a pipe); name another.")
    if not overwrite:
        raise PictureFileError(f"{path} exists; use --force to replace it.")
