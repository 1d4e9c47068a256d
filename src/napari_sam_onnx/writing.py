"""Write beside, then rename: a file is either the old one or the whole new one.

What is being written has a name of its own, so that what a killed process leaves behind is told
apart from everybody's files: the writer holds the file open and locked, and a file of such a
name that nobody holds is a leftover.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be deleted
    fcntl = None  # type: ignore[assignment]

_PREFIX = ".napari-sam-onnx-"
_MARK = ".part"
_LONGEST_SUFFIX = 16

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another place",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another place",
    errno.EACCES: "you may not write there; choose another folder",
    errno.EPERM: "you may not write there; choose another folder",
    errno.EROFS: "the disk is read-only; choose another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "the links in its path lead in a circle; choose another place",
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "a part of its path is a file; choose another place",
}

_swept: set[Path] = set()


@contextmanager
def write_beside(path: Path) -> Iterator[Path]:
    """Offer an empty file in the folder of `path`, and move it there if all goes well.

    Whatever happens inside, an interrupt included, no partial file is left and an existing
    `path` stays as it was. Bytes are on the disk before the file gets its name. Leftovers of
    killed processes in the same folder are deleted.

    Parameters
    ----------
    path : Path
        Where the finished file goes; it is replaced.

    Yields
    ------
    Path
        A file in the same folder with the same suffix, short whatever the name of `path` is.

    Raises
    ------
    OSError
        If it cannot be written; `explain_write` puts it into words.
    """
    if path.parent not in _swept:
        _swept.add(path.parent)
        sweep(path.parent)
    part = _name_part(path)
    held = None
    try:  # from before the file exists, so that no interrupt can leave it behind
        held = _create(part)
        yield part
        sync(part)
        held.close()  # Windows renames no open file
        os.replace(part, path)
        _sync_folder(path.parent)
    finally:
        if held is not None:
            held.close()
        with suppress(OSError):  # on a read-only disk there is nothing to delete
            part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file by the whole of its new content; OSError leaves the old one as it was."""
    with write_beside(path) as part:
        part.write_bytes(content)


def publish(part: Path, path: Path) -> None:
    """Give a finished file its name, in one step, with its bytes on the disk."""
    sync(part)
    os.replace(part, path)
    _sync_folder(path.parent)


def find_leftovers(folder: Path) -> list[Path]:
    """List what killed processes left half-written in a folder, not in those below it."""
    try:
        names = [entry.name for entry in os.scandir(folder) if _is_part(entry.name)]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if not _is_held(folder / name)]


def sweep(folder: Path) -> int:
    """Delete what killed processes left half-written in a folder; the bytes that frees."""
    freed = 0
    for path in find_leftovers(folder):
        with suppress(OSError):
            size = path.stat().st_size
            path.unlink()
            freed += size
    return freed


def explain_write(error: OSError) -> str:
    """Say why a file cannot be written, and what to do, without a full stop."""
    return _REASONS.get(error.errno or 0, error.strerror or str(error)).rstrip(".")


def _is_part(name: str) -> bool:
    return name.startswith(_PREFIX) and _MARK in name


def _name_part(path: Path) -> Path:
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
    return path.with_name(f"{_PREFIX}{secrets.token_hex(6)}{_MARK}{suffix}")


def _create(part: Path) -> IO[bytes]:
    """Create a file and hold it."""
    while True:
        held = part.open("xb")
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks has no leftovers that are known
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.fstat(held.fileno()).st_nlink:  # swept by somebody between the two steps
                held.close()
                continue
        return held


def _is_held(part: Path) -> bool:
    """Whether a process still writes a file; where that cannot be told, it counts as held."""
    if fcntl is None:
        return False  # deleting it fails where it is held
    try:
        with part.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def sync(path: Path) -> None:
    """Put the bytes of a file on the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Put a rename on the disk too, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
