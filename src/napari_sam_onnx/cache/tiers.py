"""One store in front of another: memory, then disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.cache.memory import EmbeddingCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_onnx.cache.store import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding


class TieredCache:
    """What the fast store lacks is looked for in the slow one, and kept in both.

    Parameters
    ----------
    fast, slow : EmbeddingStore
        Such as an `EmbeddingCache` in front of a `DiskCache`.
    """

    def __init__(self, fast: EmbeddingStore, slow: EmbeddingStore) -> None:
        self.fast = fast
        self.slow = slow

    @property
    def max_bytes(self) -> int:
        """Bytes that the fast store keeps at most."""
        return self.fast.max_bytes

    def get(self, key: str) -> Embedding | None:
        """Return the embedding under a key, or None."""
        embedding = self.fast.get(key)
        if embedding is None:
            embedding = self.slow.get(key)
            if embedding is not None:
                self.fast.put(key, embedding)
        return embedding

    def put(self, key: str, embedding: Embedding) -> None:
        """Keep an embedding in both stores."""
        self.fast.put(key, embedding)
        self.slow.put(key, embedding)

    def drop(self, unwanted: Callable[[Embedding], bool]) -> None:
        """Drop those from the fast store that are not wanted any more, where that is memory."""
        if isinstance(self.fast, EmbeddingCache):
            self.fast.drop(unwanted)

    def clear(self) -> None:
        """Drop what the fast store holds; the slow one is there to outlast it."""
        self.fast.clear()
