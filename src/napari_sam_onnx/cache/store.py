"""The seam of everything that keeps embeddings, and the one place that encodes through it.

The key is the content that the model saw (the RGB picture, hence pixels, channels, contrast
and region) and the content of the model that saw it, never a name that somebody gave: a
changed contrast limit cannot reuse a stale embedding, and an embedding made on another
computer is found again.
"""

from __future__ import annotations

import hashlib
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


def embedding_key(image: NDArray[np.uint8], model_id: str) -> str:
    """Identify an embedding by what was encoded and by which model.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The RGB picture that the model sees.
    model_id : str
        See `napari_sam_onnx.models.Model`.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{model_id}|{image.shape}".encode())
    digest.update(image.data if image.flags.c_contiguous else image.tobytes())
    return digest.hexdigest()


def encode_through(
    rgb: NDArray[np.uint8],
    model: Encoder,
    store: EmbeddingStore,
    on_encoded: Callable[[float], None] | None = None,
    key: str | None = None,
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
    key : str, optional
        Its `embedding_key`, where the caller has it.

    Raises
    ------
    ModelError
        If the model cannot encode it.
    """
    key = embedding_key(rgb, model.id) if key is None else key
    embedding = store.get(key)
    if embedding is not None:
        return embedding
    start = perf_counter()
    embedding = model.encode(rgb)
    if on_encoded is not None:
        on_encoded(perf_counter() - start)
    store.put(key, embedding)
    return embedding
