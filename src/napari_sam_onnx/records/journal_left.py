"""Journals that processes left behind when they died: found, read, claimed, thrown away."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from napari_sam_onnx.records.journal_log import lock_of, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

KEPT_LEFT = 64
KEPT_DAYS = 30
"""So many journals of processes that died are kept, one per picture, and for so long."""

_claimed: dict[Path, FileLock] = {}


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
    classes : mapping of int to str
        The class of each object that has one.
    class_list : tuple of (name, color)
        All classes there are.
    """

    name: str
    labels: NDArray[Any] | None
    place: str = ""
    target: bool = False
    classes: Mapping[int, str] = field(default_factory=dict)
    class_list: tuple[tuple[str, str], ...] = ()


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
        if self.folder in _claimed:
            return True
        lock = lock_of(self.folder)
        try:
            if not (self.folder / "log").exists():
                return False
            lock.acquire()
        except (Timeout, OSError):
            return False
        _claimed[self.folder] = lock
        return (self.folder / "log").exists()

    def discard(self) -> None:
        """Throw it away, once it is claimed."""
        self.drop()
        self.leave()

    def drop(self) -> None:
        """Throw it away while `find_left` holds it for who looks at it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def leave(self) -> None:
        """Leave it to others again, where it was claimed."""
        lock = _claimed.pop(self.folder, None)
        if lock is not None:
            lock.release()


def find_left(
    root: Path, wanted: Callable[[Mapping[str, Any]], bool] = lambda _: True
) -> Iterator[Found]:
    """Yield the journals of processes that died, the newest first; sweep away what is too old.

    Each is held while the caller looks at it, so that no two processes take one.

    Parameters
    ----------
    root : Path
        Holds the journals of all processes.
    wanted : callable
        Told what the owner said of its picture first; what is not wanted is not read.
    """
    left = []
    with suppress(OSError):
        for folder in root.iterdir():
            with suppress(OSError):
                left.append(((folder / "log").stat().st_mtime, folder))
    oldest = time.time() - KEPT_DAYS * 86400
    for number, (when, folder) in enumerate(sorted(left, reverse=True)):
        lock = lock_of(folder)
        try:
            lock.acquire()
        except (Timeout, OSError):  # its owner lives, or another process looks at it
            continue
        try:
            found = None
            if number < KEPT_LEFT and when > oldest:
                about = next(unpack(folder / "log"), ({}, b""))[0].get("about")
                if about is not None and not wanted(about):
                    continue
                found = _read(folder, when)
            if found is None:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                yield found
        finally:
            lock.release()


def _read(folder: Path, when: float) -> Found | None:
    """Read a journal as far as it is whole; None where it says nothing."""
    about: Mapping[str, Any] | None = None
    prompts: Mapping[str, Any] | None = None
    heads: dict[str, dict[str, Any]] = {}
    blocks: dict[str, dict[tuple[int, ...], tuple[list[int], bytes]]] = {}
    classes: dict[str, dict[str, Any]] = {}
    for head, content in unpack(folder / "log"):
        kind = head["kind"]
        if kind == "about":
            about, prompts = head["about"], None
            heads.clear()
            blocks.clear()
            classes.clear()
        elif kind == "prompts":
            prompts = head["prompts"]
        elif kind == "labels":
            heads[head["key"]] = head
        elif kind == "gone":
            heads.pop(head["key"], None)
            blocks.pop(head["key"], None)
            classes.pop(head["key"], None)
        elif kind == "classes":
            classes[head["key"]] = head
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
        own = classes.get(key, {})
        named = {int(label): str(name) for label, name in own.get("named", ())}
        listed = tuple((str(name), str(color)) for name, color in own.get("listed", ()))
        labels.append(KeptLabels(head["name"], made, head["place"], head["target"], named, listed))
    return Found(folder, about, when, prompts, tuple(labels))
