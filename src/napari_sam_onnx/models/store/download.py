"""Download a model: what it lacks, checked before it appears under its own name.

Bytes collect in ``.part`` files in the model's folder. A part becomes the file in one step
when it is complete and `integrity` has accepted it; one that is not the right file is deleted.
Two processes that want the same model take turns, and the second finds it ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.archive import BadArchive, unpack
from napari_sam_onnx.models.store.cards import Archive, ModelFile
from napari_sam_onnx.models.store.disk import ensure_space, explain_write_error, size_of
from napari_sam_onnx.models.store.fetch import DEFAULT_NETWORK, fetch
from napari_sam_onnx.models.store.files import (
    claim,
    explain_missing,
    find_files,
    is_downloaded,
    locate,
)
from napari_sam_onnx.models.store.integrity import check_file, forget_pins, know_moved, read_pin
from napari_sam_onnx.models.store.places import models_dir
from napari_sam_onnx.models.store.shared_files import find_archive
from napari_sam_onnx.writing import publish

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_onnx.models.store.cards import ModelCard
    from napari_sam_onnx.models.store.transfer import Cancel, Network, OnReceived


def download(
    card: ModelCard,
    progress: OnReceived | None = None,
    cancel: Cancel | None = None,
    *,
    network: Network = DEFAULT_NETWORK,
) -> dict[str, Path]:
    """Get what a model still lacks.

    Parameters
    ----------
    card : ModelCard
    progress : callable, optional
        Called as ``progress(name, done, total)`` with bytes of one file; ``total`` is None
        where nobody states it.
    cancel : callable, optional
        Asked often; once it returns True the download stops and its part is kept.
    network : Network
        How patient to be.

    Returns
    -------
    dict of str to Path
        As `locate`.

    Raises
    ------
    DownloadCancelled
        If ``cancel`` said so, or another process holds the model and ``cancel`` said so.
    ModelError
        If a file cannot be had, is not what it should be, or does not fit on the disk.
    """
    if is_downloaded(card):
        return locate(card)
    for file in card.files:
        if file.path is not None:
            raise ModelError(explain_missing(card, file))
    folder = models_dir() / card.id
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_write_error(error, folder) from error
    with claim(card.id, cancel):
        missing = [file for file in card.files if file.role not in find_files(card)]
        ensure_space(folder, _bytes_to_fetch(missing, folder), card.name)
        for archive in dict.fromkeys(file.archive for file in missing if file.archive):
            members = [file for file in missing if file.archive == archive]
            _get_archive(card, archive, members, folder, progress, cancel, network)
        for file in missing:
            if file.url is not None:
                part = _part(folder, file.name)
                _fetch_checked(card, file, file.url, part, progress, cancel, network)
                _publish(part, folder / file.name)
    return locate(card)


def _bytes_to_fetch(missing: list[ModelFile], folder: Path) -> int:
    """Bytes still to come, as far as sizes are known; archives count with their content."""
    needed = 0
    for file in missing:
        if file.archive is not None:
            needed += file.size or 0
        elif file.size is not None:
            needed += max(file.size - size_of(_part(folder, file.name)), 0)
    for archive in dict.fromkeys(file.archive for file in missing if file.archive):
        part = _part(folder, _archive_name(archive))
        needed += max((archive.size or 0) - size_of(part), 0)
    return needed


def _get_archive(
    card: ModelCard,
    archive: Archive,
    members: list[ModelFile],
    folder: Path,
    progress: OnReceived | None,
    cancel: Cancel | None,
    network: Network,
) -> None:
    """Download a zip (or take it from the shared folder), take its members, delete it."""
    name = _archive_name(archive)
    whole = ModelFile("archive", name, archive.url, None, None, None, *_fingerprint(archive))
    zipped = find_archive(name, archive)
    part = _part(folder, name)
    if zipped is None:
        _fetch_checked(card, whole, archive.url, part, progress, cancel, network)
        zipped = part
    else:
        check_file(zipped, whole, card.id)
    try:
        for file in members:
            target = _part(folder, file.name)
            unpack(zipped, file, target, cancel)
            _check_member(file, name, target, card.id)
            _publish(target, folder / file.name)
    except BadArchive:
        # the next attempt must not meet the same bytes, nor be held to their hash
        _discard(part)
        if not (archive.sha256 or archive.md5):
            forget_pins([archive.url])
        raise
    _discard(part)


def _check_member(file: ModelFile, archive_name: str, target: Path, model_id: str) -> None:
    try:
        check_file(target, file, model_id)
    except ModelError as error:
        _discard(target)
        raise BadArchive(f"{file.name} in {archive_name} is not the file it should be.") from error


def _fingerprint(archive: Archive) -> tuple[int | None, str | None, str | None]:
    return archive.size, archive.sha256, archive.md5


def _archive_name(archive: Archive) -> str:
    return archive.url.split("?")[0].rsplit("/", 1)[-1]


def _fetch_checked(
    card: ModelCard,
    file: ModelFile,
    url: str,
    part: Path,
    progress: OnReceived | None,
    cancel: Cancel | None,
    network: Network,
) -> None:
    """Fetch a file into its part and check it; one that is wrong leaves nothing behind."""
    fixed = bool(file.sha256 or file.md5 or read_pin(url))
    for resumed in (size_of(part) > 0, False):
        fetch(
            url,
            part,
            name=file.name,
            size=file.size,
            fixed=fixed,
            progress=progress,
            cancel=cancel,
            network=network,
        )
        if not fixed:
            _refuse_text(part, file.name, url)
        try:
            check_file(part, file, card.id)
            return
        except ModelError as error:
            _discard(part)
            # an old part may have been the fault: try once from the beginning
            if resumed:
                continue
            published = bool(file.sha256 or file.md5)
            then = "that was published" if published else "that was downloaded here before"
            advice = (
                "do not use it, and report it to the model's source"
                if published
                else f"if you trust the new one, run 'napari-sam-onnx models remove {card.id} "
                "--forget' and download again"
            )
            raise ModelError(
                f"{file.name} from {url} is not the file {then}, so it was deleted; {advice}."
            ) from error


def _refuse_text(part: Path, name: str, url: str) -> None:
    """Refuse to pin what is plainly no model: a web page, a message, a Git LFS pointer."""
    with part.open("rb") as stream:
        start = stream.read(64).lstrip()
    if start.startswith((b"<", b"{", b"version https://git-lfs")):
        _discard(part)
        raise ModelError(f"{url} answered with text instead of {name}; it was deleted.")


def _part(folder: Path, name: str) -> Path:
    return folder / f"{name}.part"


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".etag").unlink(missing_ok=True)


def _publish(part: Path, target: Path) -> None:
    """Give a checked file its name, in one step, and know it under that name."""
    try:
        publish(part, target)
    except OSError as error:
        raise explain_write_error(error, target) from error
    know_moved(part, target)
