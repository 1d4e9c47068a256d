"""What was worked on, written down as it happens, so that a killed process loses nothing.

A journal is a folder of one process: a lock that its owner holds as long as it lives, and a log.
A log that nobody holds was left by a process that died, see `journal_left`.

Labels are written in blocks, of which only
those that changed are written again; when most of a log is out of date it is written anew.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from dataclasses import dataclass, field
from itertools import product
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.errors import UserError
from napari_sam_onnx.records.journal_log import DIGEST, lock_of, pack
from napari_sam_onnx.writing import explain_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BLOCK = 256
"""Pixels along each of the last two axes of a block of labels."""

MAX_BYTES = 512 * 2**20
"""A journal of more than this is given up: work that large belongs on disk anyway."""

_SLACK = 4 * 2**20  # a log is not written anew for less


class JournalError(UserError):
    """A journal that cannot be written; the message says why."""


@dataclass(slots=True)
class _Layer:
    """What a journal knows of one label image."""

    head: dict[str, Any]
    digests: dict[tuple[int, ...], bytes] = field(default_factory=dict)
    named: dict[str, Any] = field(default_factory=lambda: {"named": [], "listed": []})


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
        self._prompts: dict[str, Any] = {}
        self._layers: dict[str, _Layer] = {}
        self._live: dict[tuple[Any, ...], tuple[int, int]] = {}  # where in the log, and how long
        self._live_bytes = self._size = 0
        try:
            self.folder.mkdir(parents=True)
            self._lock = lock_of(self.folder)
            self._lock.acquire()
            self._log = open(self.folder / "log", "ab")
        except OSError as error:
            raise JournalError(f"Work is not kept for a crash: {explain_write(error)}.") from error

    @property
    def nbytes(self) -> int:
        """Bytes of the log."""
        return self._size

    @property
    def holds_labels(self) -> bool:
        """Whether any label image is written down."""
        return bool(self._layers)

    def begin(self, about: Mapping[str, Any]) -> None:
        """Begin anew, about another picture.

        Parameters
        ----------
        about : mapping
            Values that JSON knows, by which the picture is found again.
        """
        with self._guard:
            self.about, self._prompts = dict(about), {}
            self._layers.clear()
            self._live.clear()
            self._live_bytes = 0
            self._append(("about",), {"kind": "about", "about": dict(about)}, b"")

    def write_prompts(self, prompts: Mapping[str, Any]) -> None:
        """Write down the open prompts; only the last ones count."""
        with self._guard:
            if prompts == self._prompts:
                return
            self._prompts = dict(prompts)
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
        classes: Mapping[int, str] | None = None,
        class_list: Sequence[tuple[str, str]] = (),
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
        classes, class_list
            See `journal_left.KeptLabels`.

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
                named = None if known is None or digests is not known.digests else known.named
                known = self._layers[key] = _Layer(head, digests)
                known.named = known.named if named is None else named
                self._append((key, "labels"), head, b"")
            named = {"named": sorted((classes or {}).items()), "listed": list(class_list)}
            if named != known.named:
                known.named = named
                self._append((key, "classes"), {"kind": "classes", "key": key, **named}, b"")
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
        if self._log.closed:  # the work that was written down is over
            return
        record = pack(head, content)
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
            digest = hashlib.blake2b(block.view(np.uint8).data, digest_size=DIGEST).digest()
        if known.get(start, b"") != digest:
            known[start] = digest
            yield start, block


def _differs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether blocks of one label image are none of another."""
    return any(one[name] != other[name] for name in ("shape", "dtype", "place"))
