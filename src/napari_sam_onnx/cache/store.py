"""The seam of everything that keeps embeddings, and the one place that encodes through it.

The key is the content that the model saw (the RGB picture, hence pixels, channels, contrast
and region) and the content of the model that saw it, never a name that somebody gave: a
changed contrast limit cannot reuse a stale embedding, and an embedding made on another
computer is found again.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Embedding


@runtime_checkable
class EmbeddingStore(Protocol):
    """Where embeddings are kept: in memory, on disk, or in one behind the other.

    A store may forget at any time and never fails: what it cannot keep or no longer has is
    encoded again. All calls are thread-safe.
    """

    @property
    def max_bytes(self) -> int:
        """Bytes that it keeps at most, if not all of one embedding; in memory where tiered."""

    def get(self, key: str) -> Embedding | None:
        """Return the embedding under a key, or None."""

    def put(self, key: str, embedding: Embedding) -> None:
        """Keep an embedding."""

    def clear(self) -> None:
        """Drop everything."""


class Encoder(Protocol):
    """What an embedding comes from: any model, or one that reads words."""

    @property
    def id(self) -> str:
        """Identifies the weights: equal ids give equal embeddings."""

    def encode(self, image: NDArray[np.uint8]) -> Embedding:
        """Encode a plane, ``(H, W, 3)`` uint8 RGB."""


def content_of(image: NDArray[np.uint8]) -> str:
    """Identify a picture by its pixels.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The RGB picture that a model sees.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(str(image.shape).encode(), digest_size=16)
    digest.update(image.data if image.flags.c_contiguous else image.tobytes())
    return digest.hexdigest()


def embedding_key(content: str, model_id: str) -> str:
    """Identify an embedding by what was encoded and by which model.

    Parameters
    ----------
    content : str
        See `content_of`.
    model_id : str
        See `napari_sam_onnx.models.Model`.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return hashlib.blake2b(f"{model_id}|{content}".encode(), digest_size=16).hexdigest()


def encode_through(
    rgb: NDArray[np.uint8],
    model: Encoder,
    store: EmbeddingStore,
    on_encoded: Callable[[float], None] | None = None,
) -> Embedding:
    """Return the embedding of a picture: from the store, else encoded and kept.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The picture, a region of a plane or all of it, as the model sees it.
    model : Encoder
    store : EmbeddingStore
    on_encoded : callable, optional
        Called with the seconds that encoding took, where it was necessary.

    Raises
    ------
    ModelError
        If the model cannot encode it.
    """
    return _find_or_encode(content_of(rgb), lambda: rgb, model, store, on_encoded)


def encode_again(
    embedding: Embedding,
    model: Encoder,
    store: EmbeddingStore,
    read: Callable[[], NDArray[np.uint8]],
) -> Embedding:
    """Return another model's embedding of a picture that was encoded before.

    Parameters
    ----------
    embedding : Embedding
        Of the picture.
    model : Encoder
        Such as the same at another scale.
    store : EmbeddingStore
    read : callable
        Returns the picture; called where the store does not have the embedding. Reading a plane
        and identifying its pixels takes longer than an answer.

    Raises
    ------
    ModelError
        If the model cannot encode it.
    """
    if not embedding.content:
        return encode_through(read(), model, store)
    return _find_or_encode(embedding.content, read, model, store)


def _find_or_encode(
    content: str,
    read: Callable[[], NDArray[np.uint8]],
    model: Encoder,
    store: EmbeddingStore,
    on_encoded: Callable[[float], None] | None = None,
) -> Embedding:
    key = embedding_key(content, model.id)
    embedding = store.get(key)
    if embedding is None:
        rgb, start = read(), perf_counter()
        embedding = replace(model.encode(rgb), content=content)
        if on_encoded is not None:
            on_encoded(perf_counter() - start)
        store.put(key, embedding)
    return embedding
