"""Write beside, then rename: a file is either the old one or the whole new one."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_sam_onnx.picture_file import PictureFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another place",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another place",
    errno.EACCES: "you may not write there; choose another folder",
    errno.EPERM: "you may not write there; choose another folder",
    errno.EROFS: "the disk is read-only; choose another place",
}


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
    if not path.parent.is_dir():
        raise PictureFileError(f"The folder {path.parent} does not exist; create it first.")
    part = path.with_name(f".{path.stem}-{secrets.token_hex(4)}.part{path.suffix}")
    try:
        part.touch(exist_ok=False)
        yield part
        refuse_existing(path, overwrite=overwrite)  # it may have appeared meanwhile
        os.replace(part, path)
    except OSError as error:
        raise PictureFileError(f"{path} cannot be written: {_explain(error)}.") from error
    finally:
        part.unlink(missing_ok=True)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise PictureFileError if a file stands where one is to be written."""
    if path.is_dir():
        raise PictureFileError(f"{path} is a folder; name a file.")
    if path.exists() and not overwrite:
        raise PictureFileError(f"{path} exists; use --force to replace it.")


def _explain(error: OSError) -> str:
    return _REASONS.get(error.errno or 0, error.strerror or str(error)).rstrip(".")
