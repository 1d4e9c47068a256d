"""Which files may be loaded: what their bytes hash to, remembered per file.

Hashing a gigabyte takes seconds, so a file is hashed once and then known by its size and its
times of change; when one differs it is hashed again. What a file must hash to comes from
its card, else from the pin that its first download left. Both memories are one small JSON in
the data folder, rewritten whole under a lock.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.places import data_dir
from napari_sam_onnx.writing import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from napari_sam_onnx.models.store.cards import ModelFile

_CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")

# what this process hashed, for data folders that cannot be written
_session: dict[str, dict[str, Any]] = {}


def check_file(path: Path, file: ModelFile, model_id: str) -> str:
    """Check that a file is the one its card means; pin it where no hash is published.

    Parameters
    ----------
    path : Path
        The file on this computer.
    file : ModelFile
        What it must be.
    model_id : str
        For the message.

    Returns
    -------
    str
        The file's sha256.

    Raises
    ------
    ModelError
        If the bytes are not those that were published or first downloaded.
    """
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        raise _mismatch(path, file, model_id, f"{size} bytes instead of {file.size}")
    sha256 = sha256_of(path)
    pinned = None if file.source is None else read_pin(file.source)
    expected = file.sha256 or pinned
    if expected is not None:
        if sha256 != expected:
            raise _mismatch(
                path, file, model_id, f"sha256 {sha256[:12]}… instead of {expected[:12]}…"
            )
        return sha256
    if file.md5 is not None and (md5 := hash_file(path, "md5")) != file.md5:
        raise _mismatch(path, file, model_id, f"md5 {md5[:12]}… instead of {file.md5[:12]}…")
    if file.source is not None:
        write_pin(file.source, sha256)
    return sha256


def sha256_of(path: Path, *, write_down: bool = True) -> str:
    """Hash a file, or recall its hash while its size and times of change are the same.

    Parameters
    ----------
    path : Path
    write_down : bool
        Whether later processes recall it too.
    """
    entry = _describe(path)
    key = str(path.resolve())
    for memory in (_session, _read()["files"]):
        known = memory.get(key)
        if isinstance(known, dict) and all(known.get(k) == v for k, v in entry.items()):
            if _is_sha256(known.get("sha256")):
                return str(known["sha256"])
    sha256 = hash_file(path)
    entry["sha256"] = sha256
    _session[key] = entry
    if write_down:
        _update(lambda content: content["files"].__setitem__(key, entry))
    return sha256


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """Hash a file's bytes; lower-case hexadecimal."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def know_moved(old: Path, new: Path) -> None:
    """Carry what is known about a checked file over to its new name, after a rename."""
    known = _session.pop(str(old.resolve()), None)
    key = str(new.resolve())
    entry = {**_describe(new), "sha256": known["sha256"]} if known else None
    if entry:
        _session[key] = entry

    def move(content: dict[str, Any]) -> None:
        content["files"].pop(str(old.resolve()), None)
        content["files"].pop(key, None)
        if entry:
            content["files"][key] = entry

    _update(move)


def forget_files(paths: Iterable[Path]) -> None:
    """Drop what is known about files that are being deleted."""
    keys = [str(path.resolve()) for path in paths]

    def drop(content: dict[str, Any]) -> None:
        for key in keys:
            _session.pop(key, None)
            content["files"].pop(key, None)

    _update(drop)


def read_pin(source: str) -> str | None:
    """Read the sha256 of the first download from a source, where there was one."""
    pin = _read()["pins"].get(source)
    return str(pin) if _is_sha256(pin) else None


def write_pin(source: str, sha256: str) -> None:
    """Keep what a source served first; everything later must equal it."""
    _update(lambda content: content["pins"].__setitem__(source, sha256))


def forget_pins(sources: Iterable[str]) -> None:
    """Accept whatever these sources serve next."""
    names = list(sources)

    def drop(content: dict[str, Any]) -> None:
        for name in names:
            content["pins"].pop(name, None)

    _update(drop)


def _is_sha256(value: object) -> bool:
    """Whether what the memory holds is a hash; anything else is damage."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _mismatch(path: Path, file: ModelFile, model_id: str, difference: str) -> ModelError:
    again = "download" if file.path is None else "add"
    return ModelError(
        f"{path} is not the file it should be ({difference}) and is not loaded; run "
        f"'napari-sam-onnx models remove {model_id}' and {again} it again."
    )


def _describe(path: Path) -> dict[str, Any]:
    stat = path.stat()
    # the second time cannot be set back by whoever rewrites a file and restores the first
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns}


def _read() -> dict[str, dict[str, Any]]:
    """Read the memory; one that is missing or damaged only costs hashing again."""
    empty: dict[str, dict[str, Any]] = {"files": {}, "pins": {}}
    try:
        content = json.loads((data_dir() / "hashes.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return empty
    if not isinstance(content, dict):
        return empty
    return {k: v if isinstance(v := content.get(k), dict) else {} for k in empty}


def _update(change: Callable[[dict[str, Any]], None]) -> None:
    """Change the memory under a lock and replace the file in one step."""
    folder = data_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "hashes.lock"):
            content = _read()
            change(content)
            write_bytes(folder / "hashes.json", json.dumps(content, indent=1).encode())
    except OSError:
        # a folder that cannot be written (an installation shared by a lab) is no reason not to
        # work: files are then hashed once per process
        return
