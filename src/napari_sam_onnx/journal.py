"""What was worked on, written down as it happens, so that a killed process loses nothing.

A journal is a folder of one process: a lock that its owner holds as long as it lives, and a log.
A log that nobody holds was left by a process that died; it can be read, or thrown away.

    log: record, record, …     record: length (4, little endian) | blake2b-128 | zlib(JSON | bytes)

Reading ends at the first record that is not whole. Labels are written in blocks, of which only
those that changed are written again; when most of a log is out of date it is written anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import uuid
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from napari_sam_onnx.errors import UserError, logger
from napari_sam_onnx.writing import explain_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BLOCK = 256
"""Pixels along each of the last two axes of a block of labels."""

MAX_BYTES = 512 * 2**20
"""A journal of more than this is given up: work that large belongs on disk anyway."""

KEPT_LEFT = 10
KEPT_DAYS = 30
"""So many journals of processes that died are kept, and for so long."""

_claimed: dict[Path, FileLock] = {}

_DIGEST = 16
_SLACK = 4 * 2**20  # a log is not written anew for less


class JournalError(UserError):
    """A journal that cannot be written; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptLabels:
    """Labels that a journal holds.

    Parameters
    ----------
    name : str
        Of their layer.
    labels : array or None
        None where they are kept at a place of their own.
    place : str
        That place; "" where there is none.
    target : bool
        Whether objects were written to them last.
    """

    name: str
    labels: NDArray[Any] | None
    place: str = ""
    target: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A journal that a process left behind when it died.

    Parameters
    ----------
    folder : Path
    about : mapping
        What the owner said of its picture, see `Journal.begin`.
    when : float
        Seconds since 1970 at which it was written last.
    prompts : mapping or None
        What `Journal.write_prompts` was given last.
    labels : tuple of KeptLabels
    """

    folder: Path
    about: Mapping[str, Any]
    when: float
    prompts: Mapping[str, Any] | None
    labels: tuple[KeptLabels, ...]

    @property
    def objects(self) -> int:
        """Labelled objects in all of its labels that are held here."""
        held = [kept.labels for kept in self.labels if kept.labels is not None]
        return sum(len(np.unique(labels[labels > 0])) for labels in held)

    def claim(self) -> bool:
        """Take it for this process until it is discarded; whether it is still there to be taken."""
        lock = _lock_of(self.folder)
        try:
            if not (self.folder / "log").exists():
                return False
            lock.acquire()
        except (Timeout, OSError):
            return False
        _claimed[self.folder] = lock
        return (self.folder / "log").exists()

    def discard(self) -> None:
        """Throw it away."""
        shutil.rmtree(self.folder, ignore_errors=True)
        lock = _claimed.pop(self.folder, None)
        if lock is not None:
            lock.release()


@dataclass(slots=True)
class _Layer:
    """What a journal knows of one label image."""

    head: dict[str, Any]
    digests: dict[tuple[int, ...], bytes] = field(default_factory=dict)


class Journal:
    """Writes down what one process works on. Thread-safe.

    Parameters
    ----------
    root : Path
        Holds the journals of all processes.
    max_bytes : int
        See `MAX_BYTES`.

    Raises
    ------
    JournalError
        If nothing can be written there.
    """

    def __init__(self, root: Path, max_bytes: int = MAX_BYTES) -> None:
        self.folder = root / uuid.uuid4().hex
        self.max_bytes = max_bytes
        self.about: dict[str, Any] = {}
        self._guard = RLock()
        self._layers: dict[str, _Layer] = {}
        self._live: dict[tuple[Any, ...], tuple[int, int]] = {}  # where in the log, and how long
        self._live_bytes = self._size = 0
        try:
            self.folder.mkdir(parents=True)
            self._lock = _lock_of(self.folder)
            self._lock.acquire()
            self._log = open(self.folder / "log", "ab")
        except OSError as error:
            raise JournalError(f"Work is not kept for a crash: {explain_write(error)}.") from error

    @property
    def nbytes(self) -> int:
        """Bytes of the log."""
        return self._size

    def begin(self, about: Mapping[str, Any]) -> None:
        """Begin anew, about another picture.

        Parameters
        ----------
        about : mapping
            Values that JSON knows, by which the picture is found again.
        """
        with self._guard:
            self.about = dict(about)
            self._layers.clear()
            self._live.clear()
            self._live_bytes = 0
            self._append(("about",), {"kind": "about", "about": dict(about)}, b"")

    def write_prompts(self, prompts: Mapping[str, Any]) -> None:
        """Write down the open prompts; only the last ones count."""
        with self._guard:
            self._append(("prompts",), {"kind": "prompts", "prompts": dict(prompts)}, b"")

    def write_labels(
        self,
        key: str,
        name: str,
        labels: Any,
        *,
        place: str = "",
        target: bool = False,
        within: Sequence[slice] | None = None,
    ) -> int:
        """Write down what has changed of a label image.

        Parameters
        ----------
        key : str
            Identifies it within the journal.
        name : str
            Of its layer.
        labels : array
        place : str
            Where it is kept anyway; its pixels are not written then.
        target : bool
            Whether objects are written to it.
        within : sequence of slice, optional
            Where it may have changed, one per axis; anywhere where omitted.

        Returns
        -------
        int
            Blocks written.
        """
        with self._guard:
            head = {
                "kind": "labels",
                "key": key,
                "name": name,
                "shape": [int(side) for side in labels.shape],
                "dtype": np.dtype(labels.dtype).newbyteorder("<").str,
                "place": place,
                "target": target,
            }
            known = self._layers.get(key)
            if known is None or known.head != head:
                digests = {} if known is None or _differs(known.head, head) else known.digests
                if known is not None and digests is not known.digests:
                    self.forget(key)
                known = self._layers[key] = _Layer(head, digests)
                self._append((key, "labels"), head, b"")
            if place:
                return 0
            written = 0
            for start, block in changed_blocks(labels, known.digests, within):
                about = {"kind": "block", "key": key, "start": start, "shape": block.shape}
                self._append((key, start), about, np.asarray(block, head["dtype"]).tobytes())
                written += 1
            return written

    def forget(self, key: str) -> None:
        """Forget a label image that was removed."""
        with self._guard:
            if self._layers.pop(key, None) is None:
                return
            for entry in [e for e in self._live if e[0] == key]:
                self._drop(entry)
            self._append((key, "labels"), {"kind": "gone", "key": key}, b"")

    def close(self, keep: bool = False) -> None:
        """Stop; the journal is thrown away unless it is to be kept."""
        with self._guard:
            self._log.close()
            self._lock.release()
            if not keep:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _append(self, entry: tuple[Any, ...], head: Mapping[str, Any], content: bytes) -> None:
        record = _pack(head, content)
        if self._live_bytes + len(record) > self.max_bytes:
            raise JournalError(
                f"Work is no longer kept for a crash: it takes more than {self.max_bytes >> 20} MB."
            )
        try:
            self._log.write(record)
            self._log.flush()
        except OSError as error:
            raise JournalError(f"Work is not kept for a crash: {explain_write(error)}.") from error
        self._drop(entry)
        self._live[entry] = self._size, len(record)
        self._live_bytes += len(record)
        self._size += len(record)
        if self._size > 2 * self._live_bytes + _SLACK:
            self._compact()

    def _drop(self, entry: tuple[Any, ...]) -> None:
        self._live_bytes -= self._live.pop(entry, (0, 0))[1]

    def _compact(self) -> None:
        """Write the log anew, without what is out of date."""
        path, part = self.folder / "log", self.folder / "log.new"
        kept = sorted(self._live.items(), key=lambda item: item[1][0])
        self._log.close()
        live: dict[tuple[Any, ...], tuple[int, int]] = {}
        try:
            with open(path, "rb") as old, open(part, "wb") as new:
                for entry, (at, length) in kept:
                    old.seek(at)
                    live[entry] = new.tell(), length
                    new.write(old.read(length))
            part.replace(path)
        except OSError as error:
            raise JournalError(f"Work is not kept for a crash: {explain_write(error)}.") from error
        finally:
            self._log = open(path, "ab")
        self._live, self._size = live, self._live_bytes


def find_left(root: Path) -> Iterator[Found]:
    """Yield the journals of processes that died, the newest first; sweep away what is too old.

    Each is held while the caller looks at it, so that no two processes take one.
    """
    left = []
    with suppress(OSError):
        for folder in root.iterdir():
            with suppress(OSError):
                left.append(((folder / "log").stat().st_mtime, folder))
    oldest = time.time() - KEPT_DAYS * 86400
    for number, (when, folder) in enumerate(sorted(left, reverse=True)):
        lock = _lock_of(folder)
        try:
            lock.acquire()
        except (Timeout, OSError):  # its owner lives, or another process looks at it
            continue
        try:
            found = None
            if number < KEPT_LEFT and when > oldest:
                found = _read(folder, when)
            if found is None:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                yield found
        finally:
            lock.release()


def changed_blocks(
    labels: Any,
    known: dict[tuple[int, ...], bytes],
    within: Sequence[slice] | None = None,
) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    """Yield the blocks of labels that are not as they are known to be; `known` follows.

    Parameters
    ----------
    labels : array
        Read block by block.
    known : dict of position to digest
        Blocks that are not in it are empty.
    within : sequence of slice, optional
        Where to look, one per axis; everywhere where omitted.
    """
    shape = tuple(int(side) for side in labels.shape)
    sides = [1] * max(0, len(shape) - 2) + [BLOCK] * min(2, len(shape))
    ranges = []
    for axis, (size, side) in enumerate(zip(shape, sides, strict=True)):
        first, stop, _ = (slice(None) if within is None else within[axis]).indices(size)
        ranges.append(range(first // side * side, stop, side))
    for start in product(*ranges):
        ends = zip(start, sides, shape, strict=True)
        part = tuple(slice(low, min(low + side, size)) for low, side, size in ends)
        block = np.ascontiguousarray(labels[part])
        digest = b""
        if block.any():
            digest = hashlib.blake2b(block.view(np.uint8).data, digest_size=_DIGEST).digest()
        if known.get(start, b"") != digest:
            known[start] = digest
            yield start, block


def _read(folder: Path, when: float) -> Found | None:
    """Read a journal as far as it is whole; None where it says nothing."""
    about: Mapping[str, Any] | None = None
    prompts: Mapping[str, Any] | None = None
    heads: dict[str, dict[str, Any]] = {}
    blocks: dict[str, dict[tuple[int, ...], tuple[list[int], bytes]]] = {}
    for head, content in _unpack(folder / "log"):
        kind = head["kind"]
        if kind == "about":
            about, prompts = head["about"], None
            heads.clear()
            blocks.clear()
        elif kind == "prompts":
            prompts = head["prompts"]
        elif kind == "labels":
            heads[head["key"]] = head
        elif kind == "gone":
            heads.pop(head["key"], None)
            blocks.pop(head["key"], None)
        else:
            there = blocks.setdefault(head["key"], {})
            there[tuple(head["start"])] = head["shape"], content
    if about is None:
        return None
    labels = []
    for key, head in heads.items():
        made = None
        if not head["place"]:
            made = np.zeros(head["shape"], np.dtype(head["dtype"]))
            for start, (shape, content) in blocks.get(key, {}).items():
                part = tuple(slice(at, at + side) for at, side in zip(start, shape, strict=True))
                made[part] = np.frombuffer(content, made.dtype).reshape(shape)
            made = made.astype(made.dtype.newbyteorder("="), copy=False)
        labels.append(KeptLabels(head["name"], made, head["place"], head["target"]))
    return Found(folder, about, when, prompts, tuple(labels))


def _lock_of(folder: Path) -> FileLock:
    """Return the lock of a journal, which any thread of its owner may release."""
    return FileLock(folder / "lock", timeout=0, thread_local=False)


def _pack(head: Mapping[str, Any], content: bytes) -> bytes:
    said = json.dumps(head).encode()
    body = zlib.compress(len(said).to_bytes(4, "little") + said + content, 1)
    digest = hashlib.blake2b(body, digest_size=_DIGEST).digest()
    return len(body).to_bytes(4, "little") + digest + body


def _unpack(path: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield records up to the first that is not whole."""
    with open(path, "rb") as log:
        while len(start := log.read(4 + _DIGEST)) == 4 + _DIGEST:
            body = log.read(int.from_bytes(start[:4], "little"))
            if hashlib.blake2b(body, digest_size=_DIGEST).digest() != start[4:]:
                logger.warning("%s ends in a record that was not finished", path)
                return
            plain = zlib.decompress(body)
            length = int.from_bytes(plain[:4], "little")
            yield json.loads(plain[4 : 4 + length]), plain[4 + length :]


def _differs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether blocks of one label image are none of another."""
    return any(one[name] != other[name] for name in ("shape", "dtype", "place"))
