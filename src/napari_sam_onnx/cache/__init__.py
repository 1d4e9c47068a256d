"""Embeddings are kept: in memory, then on disk."""

from napari_sam_onnx.cache.disk import DiskCache
from napari_sam_onnx.cache.memory import DEFAULT_BYTES, EmbeddingCache
from napari_sam_onnx.cache.parts import PartsCache
from napari_sam_onnx.cache.store import (
    EmbeddingStore,
    content_of,
    embedding_key,
    encode_again,
    encode_through,
)
from napari_sam_onnx.cache.tiers import TieredCache
from napari_sam_onnx.models.store.places import cache_dir

__all__ = [
    "DiskCache",
    "EmbeddingCache",
    "EmbeddingStore",
    "PartsCache",
    "TieredCache",
    "content_of",
    "embedding_key",
    "encode_again",
    "encode_through",
    "open_cache",
]


def open_cache(memory_bytes: int = DEFAULT_BYTES) -> TieredCache:
    """Open memory in front of what ``napari-sam-onnx embed`` kept on disk, which is only read."""
    return TieredCache(EmbeddingCache(memory_bytes), DiskCache(cache_dir(), read_only=True))
