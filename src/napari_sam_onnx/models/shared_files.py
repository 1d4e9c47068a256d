"""Files for computers without internet: a folder that somebody filled, read and never written.

``NAPARI_SAM_ONNX_MODELS`` names it. A model is found there in a folder of its id
(``mobilesam/…``), or lying flat, by name or, however the files were renamed, by their
published hash. Files whose hash nobody publishes are taken by name alone, and flat only where
no other model has a file of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.models.catalog import read_catalogue
from napari_sam_onnx.models.integrity import hash_file, sha256_of
from napari_sam_onnx.models.places import shared_dir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_sam_onnx.models.cards import Archive, ModelCard, ModelFile


def find_shared(card: ModelCard) -> dict[str, Path] | None:
    """Find all of a model's files in the shared folder.

    Parameters
    ----------
    card : ModelCard

    Returns
    -------
    dict of str to Path, or None
        Role to file; None where the folder is not named or lacks a file. External data is
        accepted only beside its graph and under its own name, since the graph looks there.
    """
    root = shared_dir()
    if root is None or not root.is_dir():
        return None
    home = root / card.id
    if all((home / file.name).is_file() for file in card.files):
        return {file.role: home / file.name for file in card.files}
    files = sorted(path for path in root.rglob("*") if path.is_file())
    found: dict[str, Path] = {}
    for file in card.files:
        beside = found.get(file.role.removesuffix("_data"))
        if file.role.endswith("_data") and beside is not None:
            path: Path | None = beside.with_name(file.name)
            path = path if path is not None and path.is_file() else None
        else:
            path = _find_flat(file, root, files)
        if path is None:
            return None
        found[file.role] = path
    return found


def find_archive(name: str, archive: Archive) -> Path | None:
    """Find a zip in the shared folder, by its name; its hash is the caller's to check."""
    root = shared_dir()
    if root is None or not (root / name).is_file():
        return None
    path = root / name
    return path if archive.size in (None, path.stat().st_size) else None


def _find_flat(file: ModelFile, root: Path, files: Sequence[Path]) -> Path | None:
    """Find one file, by its name first and then by its hash."""
    named = root / file.name
    if file.sha256 is None and file.md5 is None:
        return named if named.is_file() and _is_unique(file) else None
    candidates = [named] if named.is_file() else []
    candidates += [path for path in files if path != named]
    for path in candidates:
        if file.size is not None and path.stat().st_size != file.size:
            continue
        if file.sha256 is not None and sha256_of(path) == file.sha256:
            return path
        if file.sha256 is None and hash_file(path, "md5") == file.md5:
            return path
    return None


def _is_unique(file: ModelFile) -> bool:
    """Whether no other file of any model has this name."""
    sources = {
        other.source
        for card in read_catalogue().cards
        for other in card.files
        if other.name == file.name
    }
    return len(sources | {file.source}) == 1
