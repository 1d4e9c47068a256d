"""Files for computers without internet: a folder that somebody filled, read and never written.

``NAPARI_SAM_ONNX_MODELS`` names it. A model is found there in a folder of its id
(``mobilesam/…``), or lying flat or one folder deep, by name or, if the graphs were renamed, by
their published hash. Files whose hash nobody publishes are taken by name alone, and flat only
where no other model has a file of that name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_onnx.models.store.catalog import read_catalogue
from napari_sam_onnx.models.store.integrity import hash_file, sha256_of
from napari_sam_onnx.models.store.places import MODELS_VARIABLE, shared_dir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_sam_onnx.models.store.cards import Archive, ModelCard, ModelFile


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """What the shared folder holds, read once, so that a list of models reads it once.

    Parameters
    ----------
    root : Path
    graphs : tuple of Path
        ONNX files, flat or one folder deep.
    files : frozenset of str
        All files, flat or one folder deep, relative to the root, with "/".
    sources : mapping of str to int
        How many sources of any models have a file of a name.
    """

    root: Path
    graphs: tuple[Path, ...]
    files: frozenset[str]
    sources: Mapping[str, int]


def read_shared() -> SharedFolder | None:
    """Read the folder that is named; None where none is, or it is no folder."""
    root = shared_dir()
    if root is None or not root.is_dir():
        return None
    files: set[str] = set()
    for entry in _scan(root):
        if entry.is_file():
            files.add(entry.name)
        elif entry.is_dir():
            files.update(f"{entry.name}/{e.name}" for e in _scan(entry.path) if e.is_file())
    named: dict[str, set[str | None]] = {}
    for card in read_catalogue().cards:
        for file in card.files:
            named.setdefault(file.name, set()).add(file.source)
    graphs = tuple(root / name for name in sorted(files) if name.endswith(".onnx"))
    counts = {name: len(sources) for name, sources in named.items()}
    return SharedFolder(root, graphs, frozenset(files), counts)


def _scan(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # a folder that may not be read holds nothing for us
        return []


def find_shared(card: ModelCard, shared: SharedFolder | None = None) -> dict[str, Path] | None:
    """Find all of a model's files in the shared folder.

    Parameters
    ----------
    card : ModelCard
    shared : SharedFolder, optional
        What `read_shared` says, where many models are looked for.

    Returns
    -------
    dict of str to Path, or None
        Role to file; None where the folder is not named or lacks a file. External data is
        accepted only beside its graph and under its own name, since the graph looks there.
    """
    shared = shared or read_shared()
    if shared is None:
        return None
    root = shared.root
    if all(f"{card.id}/{file.name}" in shared.files for file in card.files):
        return {file.role: root / card.id / file.name for file in card.files}
    found: dict[str, Path] = {}
    for file in card.files:
        beside = found.get(file.role.removesuffix("_data"))
        if file.role.endswith("_data") and beside is not None:
            path: Path | None = beside.with_name(file.name)
            path = path if path is not None and path.is_file() else None
        else:
            path = _find_flat(file, shared)
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


def _find_flat(file: ModelFile, shared: SharedFolder) -> Path | None:
    """Find one file, by its name first and then by its hash."""
    named = shared.root / file.name
    here = file.name in shared.files
    if file.sha256 is None and file.md5 is None:
        return named if here and shared.sources.get(file.name, 1) == 1 else None
    candidates = [named] if here else []
    candidates += [path for path in shared.graphs if path != named]
    for path in candidates:
        if file.size is not None and path.stat().st_size != file.size:
            continue
        if file.sha256 is not None and sha256_of(path) == file.sha256:
            return path
        if file.sha256 is None and hash_file(path, "md5") == file.md5:
            return path
    return None
