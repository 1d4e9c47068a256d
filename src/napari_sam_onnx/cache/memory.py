"""Embeddings kept in memory, so that a plane is encoded once."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_onnx.embedding import Embedding

DEFAULT_BYTES = 256 * 2**20


class EmbeddingCache:
    """The embeddings used last, bounded in bytes. Thread-safe.

    Parameters
    ----------
    max_bytes : int
        The least recently used are dropped beyond it. The newest always stays.
    """

    def __init__(self, max_bytes: int = DEFAULT_BYTES) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[str, Embedding] = OrderedDict()
        self._nbytes = 0
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Embedding | None:
        """Return the embedding under a key and mark it as used, or None."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: str, embedding: Embedding) -> None:
        """Keep an embedding and drop the least recently used beyond the bound."""
        with self._lock:
            old = self._entries.pop(key, None)
            self._nbytes += embedding.nbytes - (old.nbytes if old is not None else 0)
            self._entries[key] = embedding
            while self._nbytes > self.max_bytes and len(self._entries) > 1:
                _, dropped = self._entries.popitem(last=False)
                self._nbytes -= dropped.nbytes

    def drop(self, unwanted: Callable[[Embedding], bool]) -> None:
        """Drop those that are not wanted any more."""
        with self._lock:
            for key in [key for key, kept in self._entries.items() if unwanted(kept)]:
                self._nbytes -= self._entries.pop(key).nbytes

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._entries.clear()
            self._nbytes = 0
