"""Files for computers without internet: a folder that somebody filled, read and never written.

``NAPARI_SAM_ONNX_MODELS`` names it. A model is found there in a folder of its id
(``mobilesam/…``), or lying flat or one folder deep, by name or, if the graphs were renamed, by
their published hash. Files whose hash nobody publishes are taken by name alone, and flat only
where no other model has a file of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.models.store.catalog import read_catalogue
from napari_sam_onnx.models.store.integrity import hash_file, sha256_of
from napari_sam_onnx.models.store.places import MODELS_VARIABLE, shared_dir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_sam_onnx.models.store.cards import Archive, ModelCard, ModelFile


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
    # no deeper and no other files: the folder may be a whole drive
    graphs = [path for pattern in ("*.onnx", "*/*.onnx") for path in sorted(root.glob(pattern))]
    found: dict[str, Path] = {}
    for file in card.files:
        beside = found.get(file.role.removesuffix("_data"))
        if file.role.endswith("_data") and beside is not None:
            path: Path | None = beside.with_name(file.name)
            path = path if path is not None and path.is_file() else None
        else:
            path = _find_flat(file, root, graphs)
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


def explain_shared(file: ModelFile) -> str:
    """Say why the shared folder did not help, for the end of a sentence; "" if none is named."""
    root = shared_dir()
    if root is None:
        return ""
    if not root.is_dir():
        return f"; {MODELS_VARIABLE} names {root}, which is no folder"
    if (root / file.name).is_file():
        return f"; the {file.name} in {root} is another file or lacks its companions"
    return f"; {root} does not hold it either"


def _find_flat(file: ModelFile, root: Path, graphs: Sequence[Path]) -> Path | None:
    """Find one file, by its name first and then by its hash."""
    named = root / file.name
    if file.sha256 is None and file.md5 is None:
        return named if named.is_file() and _is_unique(file) else None
    candidates = [named] if named.is_file() else []
    candidates += [path for path in graphs if path != named]
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
