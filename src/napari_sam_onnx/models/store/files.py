"""A model's files on this computer: found, checked, removed.

A file counts as here when it lies where its card says (embedded and added models), in the
model's folder below the data folder, or in the read-only folder that
``NAPARI_SAM_ONNX_MODELS`` names. It is loaded only after `integrity` has accepted it.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.disk import explain_write_error, size_of
from napari_sam_onnx.models.store.integrity import check_file, forget_files, forget_pins
from napari_sam_onnx.models.store.places import data_dir, models_dir
from napari_sam_onnx.models.store.shared_files import explain_shared, find_shared
from napari_sam_onnx.models.store.transfer import DownloadCancelled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam_onnx.models.store.cards import ModelCard, ModelFile
    from napari_sam_onnx.models.store.shared_files import SharedFolder
    from napari_sam_onnx.models.store.transfer import Cancel


def locate(card: ModelCard) -> dict[str, Path]:
    """Find a model's files and check that they are the right ones.

    Parameters
    ----------
    card : ModelCard

    Returns
    -------
    dict of str to Path
        Role to file, in the order of the card.

    Raises
    ------
    ModelError
        If a file is not here (the message says how to get it) or not what it should be.
    """
    found = find_files(card)
    for file in card.files:
        path = found.get(file.role)
        if path is None:
            raise ModelError(explain_missing(card, file))
        # the embedded files state nothing to check: the package's installer has checked them
        if file.path is None or file.sha256 or file.md5 or file.size:
            check_file(path, file, card.id)
    return found


def is_downloaded(card: ModelCard, shared: SharedFolder | None = None) -> bool:
    """Whether all files are here, without reading them through; see `find_files`."""
    return len(find_files(card, shared)) == len(card.files)


def bytes_on_disk(card: ModelCard, shared: SharedFolder | None = None) -> int:
    """Bytes that the model's files occupy, unfinished downloads included; see `find_files`."""
    paths = set(find_files(card, shared).values())
    folder = models_dir() / card.id
    if folder.is_dir():
        paths.update(path for path in folder.rglob("*") if path.is_file())
    return sum(size_of(path) for path in paths)


def remove(card: ModelCard, *, forget: bool = False) -> int:
    """Delete a model's files; an added model is also struck from the list.

    Files that were added without copying, and those of the shared folder, are left alone.

    Parameters
    ----------
    card : ModelCard
    forget : bool
        Also forget the hashes that earlier downloads left, so that a file that was replaced
        at its source is accepted.

    Returns
    -------
    int
        Bytes freed.

    Raises
    ------
    ModelError
        If the model is the embedded one, or its files cannot be deleted.
    """
    if card.origin == "embedded":
        raise ModelError(f"{card.name} is part of the package and cannot be removed.")
    folder = models_dir() / card.id
    freed = 0
    with claim(card.id, None):
        if folder.is_dir():
            files = [path for path in folder.rglob("*") if path.is_file()]
            freed = sum(path.stat().st_size for path in files)
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise ModelError(
                    f"{folder} cannot be deleted ({error.strerror or error}); close what uses "
                    "the model and try again."
                ) from error
            forget_files(files)
        if forget:
            sources = {file.source for file in card.files}
            sources |= {file.archive.url for file in card.files if file.archive is not None}
            forget_pins(source for source in sources if source is not None)
        if card.origin == "user" and card.card_file is not None and _was_added(card):
            card.card_file.unlink(missing_ok=True)
    return freed


def _was_added(card: ModelCard) -> bool:
    """Whether the card was written by `add_local`: it is alone in a file of its name."""
    return (
        card.card_file is not None
        and card.card_file.stem == card.id
        and all(file.path is not None for file in card.files)
    )


def find_files(card: ModelCard, shared: SharedFolder | None = None) -> dict[str, Path]:
    """Files that are here, by role, unchecked; a graph and its data only side by side.

    Parameters
    ----------
    card : ModelCard
    shared : SharedFolder, optional
        What `read_shared` says, where many models are looked for; it is read anew where omitted.
    """
    own = models_dir() / card.id
    found: dict[str, Path] = {}
    for file in card.files:
        path = file.path if file.path is not None else own / file.name
        if path.is_file():
            found[file.role] = path
    if len(found) < len(card.files) and all(file.path is None for file in card.files):
        elsewhere = find_shared(card, shared)
        # one folder or the other: external data must lie beside its graph
        if elsewhere is not None:
            return elsewhere
    return found


def explain_missing(card: ModelCard, file: ModelFile) -> str:
    """Say which file is missing and how to get it."""
    if file.path is not None:
        return f"{card.name} needs {file.path}, which is not there."
    return (
        f"{card.name} is not on this computer ({file.name} is missing{explain_shared(file)}); "
        f"run 'napari-sam-onnx models download {card.id}'."
    )


@contextmanager
def claim(model_id: str, cancel: Cancel | None) -> Iterator[None]:
    """Hold a model's folder alone; wait while another process does."""
    locks = data_dir() / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_write_error(error, locks) from error
    lock = FileLock(locks / f"{model_id}.lock")
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            if cancel is not None and cancel():
                raise DownloadCancelled(
                    f"Stopped waiting for another process that is busy with {model_id}."
                ) from None
        except OSError as error:
            raise explain_write_error(error, locks) from error
    try:
        yield
    finally:
        lock.release()
