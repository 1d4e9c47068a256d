"""Words and paths of a command line: what cannot be meant is refused before anything is done."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from napari_sam_onnx.pictures.picture_file import PictureFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


LONGEST = 4096
"""Letters of a path at most, on any system."""


def check_words(words: Sequence[str]) -> None:
    """Look at the words of a command line before any of them is taken for a path.

    Raises
    ------
    PictureFileError
        If one is empty, which as a path would be the current folder, names a pipe, or is longer
        than any path.
    """
    for word in words:
        if len(word) > LONGEST:
            raise PictureFileError(
                f"An argument of {len(word):,} letters cannot be meant ({word[:40]}…)."
            )
        option, equals, value = word.partition("=")
        value = value if equals and option.startswith("-") else word
        if not value:
            where = f"What {option} is given" if option else "An argument"
            raise PictureFileError(f'{where} is empty (""); write what is meant, or leave it out.')
        refuse_pipe(value)


def refuse_pipe(path: str | os.PathLike[str]) -> None:
    """Refuse what is neither a file nor a folder: reading a pipe may wait for ever.

    Raises
    ------
    PictureFileError
        If it is a pipe, a socket or a device.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return  # who opens it says what is wrong
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise PictureFileError(
            f"{os.fspath(path)} is no file but a pipe, a socket or a device; name a file."
        )


def refuse_overlap(written: Iterable[Path], read: Iterable[Path]) -> None:
    """Refuse to write what the same call reads or writes elsewhere.

    Raises
    ------
    PictureFileError
        With the path that is in two roles, by whatever names.
    """
    sources = {key: path for path in read for key in _identities(path)}
    taken: dict[object, Path] = {}
    for path in written:
        for key in _identities(path):
            if key in sources:
                raise PictureFileError(f"{path} would be overwritten; choose another output.")
            if key in taken:
                raise PictureFileError(
                    f"{path} would be written twice, as {taken[key]} too; choose another output."
                )
        taken |= dict.fromkeys(_identities(path), path)


def _identities(path: Path) -> set[object]:
    """Name a file by its place, and by what it is where it exists: links have several names."""
    found: set[object] = {os.path.normcase(os.path.realpath(path))}
    try:
        status = os.stat(path)
    except OSError:
        return found
    return found | {(status.st_dev, status.st_ino)}
