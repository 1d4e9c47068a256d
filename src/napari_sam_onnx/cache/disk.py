"""Embeddings kept on disk: bounded, visible, shared by processes and moved between computers.

A folder holds one file per embedding, named by its key:

    magic (8 bytes) | blake2b-256 of all that follows | length of header (4, little endian)
    | header, JSON: plane_shape, input_shape, model_id, content, tensors [[name, dtype, shape], …]
    | the tensors' bytes, little endian, in C order, one after the other

A file is believed only if its hash is right; any other is deleted and its embedding made anew.
Files appear whole under their names, so processes that share a folder never see half of one;
where two write the same, one of the two stays.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.embedding import Embedding
from napari_sam_onnx.errors import UserError, logger
from napari_sam_onnx.writing import explain_write, sweep, write_beside

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DEFAULT_GB = 5.0

SUFFIX = ".embedding"

_MAGIC = b"nso-emb2"
_DIGEST = 32
_NAME = re.compile(r"[0-9a-f]{32}" + re.escape(SUFFIX))
_RESERVE = 512 * 2**20  # bytes of the disk that a cache leaves to everything else
_TRIM_TO = 0.9  # of the bound, so that not every file of a full cache is followed by a search


class CacheError(UserError):
    """A cache that cannot be written or cleared; the message says why."""


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What a cache on disk holds.

    Parameters
    ----------
    folder : Path
    entries : int
        Embeddings.
    nbytes, max_bytes : int
        In use, and allowed.
    """

    folder: Path
    entries: int
    nbytes: int
    max_bytes: int


class DiskCache:
    """The embeddings used last, one file each. Safe for threads and processes.

    Parameters
    ----------
    folder : Path
        Made where it does not exist, with the first embedding.
    max_bytes : int
        The least recently used are deleted beyond it; an embedding that alone is larger is
        not kept.
    read_only : bool
        Whether embeddings are found here, but none is written.
    """

    def __init__(
        self, folder: Path, max_bytes: int = int(DEFAULT_GB * 1e9), *, read_only: bool = False
    ) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.read_only = read_only
        self._lock = Lock()
        self._complained = False

    def get(self, key: str) -> Embedding | None:
        """Return the embedding under a key and mark it as used, or None."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        embedding = unpack(content)
        if embedding is None:
            logger.warning("%s is damaged; it is deleted and its plane encoded again", path)
        with suppress(OSError):  # read-only folders serve too
            os.utime(path) if embedding is not None else path.unlink()
        return embedding

    def put(self, key: str, embedding: Embedding) -> None:
        """Keep an embedding where there is room for it; a cache that fails harms nobody's work."""
        if self.read_only:
            return
        try:
            self.write(key, embedding)
        except CacheError as error:
            if not self._complained:
                logger.warning("%s", error)
            self._complained = True

    def write(self, key: str, embedding: Embedding) -> None:
        """Keep an embedding.

        Raises
        ------
        CacheError
            If it cannot be written, or is larger than the cache or the disk allow.
        """
        content = pack(embedding)
        if len(content) > self.max_bytes:
            raise CacheError(
                f"An embedding of {len(content) / 1e6:.0f} MB does not fit into a cache of "
                f"{self.max_bytes / 1e9:g} GB; allow more."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock:
                self._make_room(len(content))
                with write_beside(self._path(key)) as part:
                    part.write_bytes(content)
        except OSError as error:
            raise CacheError(
                f"The cache in {self.folder} cannot be written: {explain_write(error)}."
            ) from error

    def clear(self) -> None:
        """Delete every embedding, and what killed processes left; nothing else in the folder.

        Raises
        ------
        CacheError
            If a file cannot be deleted.
        """
        try:
            for entry in self._scan():
                (self.folder / entry[1]).unlink(missing_ok=True)
        except OSError as error:
            raise CacheError(
                f"The cache in {self.folder} cannot be cleared: {explain_write(error)}."
            ) from error
        sweep(self.folder)

    def trim(self) -> None:
        """Delete the least recently used until the bound holds, as it may have been lowered.

        Raises
        ------
        CacheError
            If the disk is almost full even so.
        """
        if self.folder.is_dir():
            with self._lock:
                self._make_room(0)

    def info(self) -> CacheInfo:
        """Say what is in use."""
        entries = self._scan()
        used = sum(size for _, _, size in entries)
        return CacheInfo(self.folder, len(entries), used, self.max_bytes)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _scan(self) -> list[tuple[int, str, int]]:
        """List when each file was used last, its name and its size, the oldest first."""
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if _NAME.fullmatch(entry.name):
                        with suppress(OSError):  # another process deleted it just now
                            status = entry.stat()
                            found.append((status.st_mtime_ns, entry.name, status.st_size))
        except OSError:
            return []
        return sorted(found)

    def _make_room(self, needed: int) -> None:
        """Delete the least recently used until `needed` bytes fit bound and disk."""
        entries = self._scan()
        used = sum(size for _, _, size in entries)
        over = used + needed - self.max_bytes
        if over > 0:
            over = used + needed - int(_TRIM_TO * self.max_bytes)
        for _, name, size in entries:
            if over <= 0:
                break
            with suppress(OSError):
                (self.folder / name).unlink(missing_ok=True)
            over -= size
        if shutil.disk_usage(self.folder).free < needed + _RESERVE:
            raise CacheError(
                f"The disk of the cache in {self.folder} is almost full; free some space."
            )


def pack(embedding: Embedding) -> bytes:
    """Write an embedding as bytes that mean the same on every computer."""
    tensors = {
        name: np.asarray(tensor, tensor.dtype.newbyteorder("<"), order="C")
        for name, tensor in embedding.tensors.items()
    }
    header = {
        "plane_shape": list(embedding.plane_shape),
        "input_shape": list(embedding.input_shape),
        "model_id": embedding.model_id,
        "content": embedding.content,
        "tensors": [[name, t.dtype.str, list(t.shape)] for name, t in tensors.items()],
    }
    head = json.dumps(header).encode()
    parts = [len(head).to_bytes(4, "little"), head, *(t.tobytes() for t in tensors.values())]
    digest = hashlib.blake2b(digest_size=_DIGEST)
    for part in parts:
        digest.update(part)
    return b"".join([_MAGIC, digest.digest(), *parts])


def unpack(content: bytes) -> Embedding | None:
    """Read what `pack` wrote; None where a single bit differs."""
    start = len(_MAGIC) + _DIGEST
    body = memoryview(content)[start:]
    if not content.startswith(_MAGIC) or len(body) < 4:
        return None
    if hashlib.blake2b(body, digest_size=_DIGEST).digest() != content[len(_MAGIC) : start]:
        return None
    length = int.from_bytes(body[:4], "little")
    header = json.loads(bytes(body[4 : 4 + length]))
    tensors: dict[str, NDArray[np.generic]] = {}
    at = 4 + length
    for name, kind, shape in header["tensors"]:
        dtype = np.dtype(kind)
        count = int(np.prod(shape, dtype=np.int64))
        tensors[name] = np.frombuffer(body, dtype, count, at).reshape(shape)
        at += count * dtype.itemsize
    height, width = header["plane_shape"]
    rows, columns = header["input_shape"]
    return Embedding(
        tensors, (height, width), (rows, columns), header["model_id"], header["content"]
    )
