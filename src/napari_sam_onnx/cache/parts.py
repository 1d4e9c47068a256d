"""The parts of a plane that is looked at part by part: kept where there is room for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.cache.memory import EmbeddingCache

if TYPE_CHECKING:
    from napari_sam_onnx.cache.store import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding


class PartsCache:
    """Keeps the parts of a plane in a store where all fit into it; else the one used last.

    Some of many parts are of no use to a run that looks at all of them again, and would push
    out of the store what is of use: the plane that is clicked on.

    Parameters
    ----------
    store : EmbeddingStore
    count : int
        How many parts there are.
    """

    def __init__(self, store: EmbeddingStore, count: int) -> None:
        self.store = store
        self.count = count
        self._last = EmbeddingCache(max_bytes=0)

    @property
    def max_bytes(self) -> int:
        """Bytes that are kept at most."""
        return self.store.max_bytes

    def get(self, key: str) -> Embedding | None:
        """Return the embedding under a key, or None."""
        return self._last.get(key) or self.store.get(key)

    def put(self, key: str, embedding: Embedding) -> None:
        """Keep an embedding."""
        fits = self.count * embedding.nbytes <= self.max_bytes
        (self.store if fits else self._last).put(key, embedding)

    def clear(self) -> None:
        """Drop everything."""
        self._last.clear()
        self.store.clear()
