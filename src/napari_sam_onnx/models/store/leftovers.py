"""What killed processes and cards that are gone left on this computer: found, and deleted on wish.

Three kinds are known: folders of models that no card names, what was being copied when `add` was
killed, and files that were being written. What a living process is busy with is none of them.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from napari_sam_onnx.models.store.catalog import read_catalogue
from napari_sam_onnx.models.store.places import cards_dir, data_dir, models_dir
from napari_sam_onnx.writing import find_leftovers, sweep

if TYPE_CHECKING:
    from pathlib import Path

STAGING = ".adding-"
"""How the name of a folder begins in which `add` collects a model's files."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that nothing uses.

    Parameters
    ----------
    path : Path
        A file or a folder.
    nbytes : int
    what : str
        What it was.
    """

    path: Path
    nbytes: int
    what: str


def list_leftovers() -> list[Leftover]:
    """List what nothing uses, the largest first.

    A folder whose card cannot be read is not taken for one that has none: while a card is
    damaged no folder of a model counts.
    """
    found = [
        Leftover(path, path.stat().st_size, "half-written file")
        for folder in (data_dir(), cards_dir())
        for path in find_leftovers(folder)
    ]
    catalogue = read_catalogue()
    known = {card.id for card in catalogue.cards}
    folders = sorted(models_dir().iterdir()) if models_dir().is_dir() else []
    for folder in folders:
        model_id = folder.name.removeprefix(STAGING)
        staged = folder.name.startswith(STAGING)
        if not folder.is_dir() or _is_claimed(model_id):
            continue
        if staged:
            found.append(Leftover(folder, _measure(folder), "model that was not added to the end"))
        elif model_id not in known and not catalogue.problems:
            found.append(Leftover(folder, _measure(folder), "files of a model without a card"))
    return sorted(found, key=lambda leftover: -leftover.nbytes)


def delete_leftovers(leftovers: list[Leftover]) -> int:
    """Delete what `list_leftovers` found; the bytes that are free now."""
    freed = 0
    for leftover in leftovers:
        if leftover.path.is_dir():
            shutil.rmtree(leftover.path, ignore_errors=True)
            freed += leftover.nbytes - _measure(leftover.path)
        else:
            freed += sweep(leftover.path.parent)
    return freed


def _measure(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _is_claimed(model_id: str) -> bool:
    """Whether a process is busy with a model just now."""
    lock = data_dir() / "locks" / f"{model_id}.lock"
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except (Timeout, OSError):
        return True
