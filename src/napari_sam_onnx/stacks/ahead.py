"""The next plane of a stack is read and encoded while this one is decoded.

Encoding and decoding leave each other room even on two cores: reading, the small parts of graphs
and what is done to masks use one core at most. One plane is ahead, no more; what goes wrong there
is done again when its turn comes, and told then.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakSet

from napari_sam_onnx.automatic.settings.modes import TiledParameters
from napari_sam_onnx.automatic.settings.parameters import FlowsParameters
from napari_sam_onnx.cache import content_of, embedding_key
from napari_sam_onnx.memory import free_memory
from napari_sam_onnx.models.onnx.sessions.ending import wait_at_exit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.settings.modes import Parameters
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.models import Model

    Index = tuple[int, ...]
    Read = Callable[[Index], NDArray[np.uint8] | None]

ROOM = 2**31
"""Bytes that must be free for a second plane: an encoder takes up to 1.5 GB."""


_PATIENCE = 5.0
"""Seconds that a thread is waited for when the process ends; its graph is stopped before."""

_threads: WeakSet[threading.Thread] = WeakSet()


def encodes_whole_planes(settings: Parameters | None) -> bool:
    """Whether each plane is encoded first as it is: not in tiles, nor at a scale of its own."""
    if settings is None or isinstance(settings, TiledParameters | FlowsParameters):
        return False
    return settings.diameter == 0


class Ahead:
    """Reads planes for a run, and keeps their embeddings: an `EmbeddingStore`.

    Parameters
    ----------
    model : Model
    store : EmbeddingStore
        Where embeddings are kept else; one that is made ahead is put there when its turn comes.
    read : callable
        Reads a plane; None where there is nothing to do.
    following : mapping of index to index
        Which plane comes after which.
    """

    def __init__(
        self, model: Model, store: EmbeddingStore, read: Read, following: Mapping[Index, Index]
    ) -> None:
        self._model, self._store, self._read = model, store, read
        self._following = following
        self._here: Index | None = None
        self._next: _Work | None = None
        self._closed = False

    @property
    def max_bytes(self) -> int:
        """Bytes that are kept at most, but for the embedding of the next plane."""
        return self._store.max_bytes

    def read(self, index: Index) -> NDArray[np.uint8] | None:
        """Read a plane whose turn has come."""
        self._here = index
        work = self._next
        if work is None or work.index != index:
            self._next = None
            return self._read(index)
        work.has_read.wait()
        return self._read(index) if work.failed else work.rgb

    def get(self, key: str) -> Embedding | None:
        """Return the embedding under a key, or None."""
        work = self._next
        if work is not None and work.index == self._here and work.key == key:
            work.has_encoded.wait()
            self._next = None
            if work.embedding is not None:
                self.put(key, work.embedding)
                return work.embedding
        embedding = self._store.get(key)
        if embedding is not None:
            self._start()
        return embedding

    def put(self, key: str, embedding: Embedding) -> None:
        """Keep an embedding; the plane's own is the first, and the next plane's turn to begin."""
        self._store.put(key, embedding)
        self._start()

    def clear(self) -> None:
        """Drop everything."""
        self._store.clear()

    def close(self) -> None:
        """Begin nothing more; what runs ends by itself and is not waited for."""
        self._closed, self._next = True, None

    def _start(self) -> None:
        """Begin with the plane that follows, once for each plane."""
        index, self._here = self._here, None
        following = None if index is None else self._following.get(index)
        if following is not None and not self._closed and free_memory() > ROOM:
            self._next = _Work(following, self._model, self._store, self._read)


class _Work:
    """A plane that is read and encoded in a thread of its own."""

    def __init__(self, index: Index, model: Model, store: EmbeddingStore, read: Read) -> None:
        self.index = index
        self.rgb: NDArray[np.uint8] | None = None
        self.key = ""
        self.embedding: Embedding | None = None
        self.failed = False
        self.has_read, self.has_encoded = threading.Event(), threading.Event()
        self._model, self._store, self._read = model, store, read
        # a daemon: a run that is cancelled does not wait for it, nor does a process that ends
        thread = threading.Thread(target=self._work, name="plane ahead", daemon=True)
        wait_at_exit(_join_threads)
        _threads.add(thread)
        thread.start()

    def _work(self) -> None:
        try:
            self.rgb = self._read(self.index)
            if self.rgb is not None:
                content = content_of(self.rgb)
                self.key = embedding_key(content, self._model.id)
                self.has_read.set()
                kept = self._store.get(self.key)
                self.embedding = kept or replace(self._model.encode(self.rgb), content=content)
        except Exception:  # whatever it is, it happens again when the plane's turn comes
            self.failed = self.rgb is None
        finally:
            self.has_read.set()
            self.has_encoded.set()


def _join_threads() -> None:
    for thread in tuple(_threads):
        if thread.is_alive():
            thread.join(_PATIENCE)
