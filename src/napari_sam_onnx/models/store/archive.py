"""Take one file out of a zip that came from elsewhere.

Only the member that a card names is written, and only to the path that the caller gives: a
zip's own paths decide nothing. A member that claims to be larger than weights are, or that
unpacks to more than it claims, is refused.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.disk import ensure_space, explain_write_error
from napari_sam_onnx.models.store.transfer import DownloadCancelled

if TYPE_CHECKING:
    from napari_sam_onnx.models.store.cards import ModelFile
    from napari_sam_onnx.models.store.transfer import Cancel

MOST_BYTES = 8 << 30
"""The largest member that is unpacked; the largest known weights take 2.6 GB."""

MOST_RATIO = 200
"""Weights hardly compress; a zip that promises more than this is a bomb."""

_CHUNK = 1 << 20


class BadArchive(ModelError):
    """A zip that is damaged or not the one that was meant; another attempt needs another."""


def unpack(zipped: Path, file: ModelFile, target: Path, cancel: Cancel | None = None) -> None:
    """Write a card's member of a zip to ``target``.

    Parameters
    ----------
    zipped : Path
        The zip.
    file : ModelFile
        Its ``member`` is looked for by its path, else by its name where that is unique.
    target : Path
        Written from the start.
    cancel : callable, optional
        Asked often; True stops.

    Raises
    ------
    DownloadCancelled
        If ``cancel`` said so.
    BadArchive
        If this is no zip, or the member is not in it, damaged, or larger than weights are.
    ModelError
        If the member does not fit on the disk.
    """
    try:
        with zipfile.ZipFile(zipped) as archive:
            info = _find_member(archive, file)
            size = _refuse_bomb(info, zipped)
            ensure_space(target.parent, size, file.name)
            _copy(archive, info, target, cancel)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, ModelError):
            raise
        target.unlink(missing_ok=True)
        raise BadArchive(f"{_name(zipped)} is damaged or no zip ({error}).") from error


def _name(zipped: Path) -> str:
    """Name a zip as the user knows it, unfinished or not."""
    return zipped.name.removesuffix(".part")


def _find_member(archive: zipfile.ZipFile, file: ModelFile) -> zipfile.ZipInfo:
    wanted = (file.member or "").replace("\\", "/")
    infos = [info for info in archive.infolist() if not info.is_dir()]
    exact = [info for info in infos if info.filename == wanted]
    name = wanted.rsplit("/", 1)[-1]
    named = exact or [info for info in infos if info.filename.rsplit("/", 1)[-1] == name]
    if len(named) != 1:
        held = ", ".join(sorted(info.filename for info in infos)[:8]) or "nothing"
        raise BadArchive(
            f"{_name(Path(archive.filename or ''))} does not hold exactly one '{file.member}'; "
            f"it holds {held}."
        )
    return named[0]


def _refuse_bomb(info: zipfile.ZipInfo, zipped: Path) -> int:
    """Check what a member claims about itself; its size is enforced while it is read."""
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > MOST_BYTES or (ratio > MOST_RATIO and info.file_size > 1 << 24):
        raise BadArchive(
            f"{info.filename} in {_name(zipped)} claims to be {info.file_size} bytes large; no "
            "weights are, so it is not unpacked."
        )
    return info.file_size


def _copy(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, cancel: Cancel | None
) -> None:
    written = 0
    try:
        with archive.open(info) as source, target.open("wb") as sink:
            while chunk := source.read(_CHUNK):
                if cancel is not None and cancel():
                    raise DownloadCancelled(f"Unpacking {info.filename} was stopped.")
                written += len(chunk)
                if written > info.file_size:
                    raise BadArchive(f"{info.filename} unpacks to more than it claims.")
                sink.write(chunk)
            sink.flush()
            os.fsync(sink.fileno())
    except OSError as error:
        raise explain_write_error(error, target) from error
