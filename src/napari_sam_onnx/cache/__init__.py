"""Embeddings are kept: in memory, then on disk."""

from napari_sam_onnx.cache.disk import DiskCache
from napari_sam_onnx.cache.memory import EmbeddingCache
from napari_sam_onnx.cache.store import EmbeddingStore, embedding_key, encode_through
from napari_sam_onnx.cache.tiers import TieredCache

__all__ = [
    "DiskCache",
    "EmbeddingCache",
    "EmbeddingStore",
    "TieredCache",
    "embedding_key",
    "encode_through",
]
