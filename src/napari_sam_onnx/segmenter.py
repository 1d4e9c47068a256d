"""A plane and prompts -> masks: encode once, decode per prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_onnx.cache import EmbeddingCache, embedding_key
from napari_sam_onnx.image import to_rgb
from napari_sam_onnx.prompts import PromptError, make_prompts
from napari_sam_onnx.upscale import best_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.image import Channel
    from napari_sam_onnx.masks import Mask
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.prompts import Prompts


class Segmenter:
    """Answers prompts on one plane at a time.

    Parameters
    ----------
    model : Model
        See `napari_sam_onnx.load_model`.
    cache : EmbeddingCache, optional
        Where embeddings are kept; one of its own where omitted. Share one between
        segmenters to keep embeddings across models.

    Examples
    --------
    >>> import napari_sam_onnx as nso
    >>> segmenter = nso.Segmenter(nso.load_model("pebble"))  # doctest: +SKIP
    >>> segmenter.set_image(image)  # doctest: +SKIP
    >>> mask = segmenter.segment(points=[(120, 85)])  # doctest: +SKIP
    """

    def __init__(self, model: Model, cache: EmbeddingCache | None = None) -> None:
        self.model = model
        self.cache = EmbeddingCache() if cache is None else cache
        self._embedding: Embedding | None = None

    @property
    def embedding(self) -> Embedding:
        """The embedding of the current plane.

        Raises
        ------
        PromptError
            If no image was set.
        """
        if self._embedding is None:
            raise PromptError("There is no picture yet; call set_image first.")
        return self._embedding

    @property
    def plane_shape(self) -> tuple[int, int]:
        """``(H, W)`` of the current plane."""
        return self.embedding.plane_shape

    def set_image(
        self, image: Any, axes: str | None = None, channels: Sequence[Channel] | None = None
    ) -> Embedding:
        """Encode a plane, unless its embedding is in the cache.

        Parameters
        ----------
        image : (H, W) or (H, W, C) array, any dtype, or any order named by ``axes``
            The plane.
        axes, channels
            See `napari_sam_onnx.image.to_rgb`.
        """
        return self.set_rgb(to_rgb(image, axes, channels))

    def set_rgb(self, rgb: NDArray[np.uint8]) -> Embedding:
        """Encode a plane as the model sees it, unless its embedding is in the cache.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
        """
        key = embedding_key(rgb, self.model.id)
        embedding = self.cache.get(key)
        if embedding is None:
            embedding = self.model.encode(rgb)
            self.cache.put(key, embedding)
        self._embedding = embedding
        return embedding

    def segment(
        self,
        points: ArrayLike | None = None,
        labels: Sequence[int] | ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: Mask | None = None,
    ) -> Mask:
        """Segment the object that the prompts describe.

        Parameters
        ----------
        points : (N, 2) array-like, optional
            Clicks as ``(y, x)`` in plane pixels.
        labels : (N,) array-like of {0, 1}, optional
            1 for object (the default), 0 for background.
        box : (4,) array-like, optional
            ``(y0, x0, y1, x1)`` in plane pixels.
        mask : Mask, optional
            An earlier answer to refine.

        Returns
        -------
        Mask
            The best one; its ``candidates`` are all of the model's answers.

        Raises
        ------
        PromptError
            If no image was set or the prompts cannot be answered.
        """
        earlier = None if mask is None else mask.low_res
        if mask is not None and earlier is None:
            raise PromptError(
                "Only a mask that a model made can be refined; this one has no logits."
            )
        prompts = make_prompts(points, labels, box, earlier, plane_shape=self.plane_shape)
        return self.answer([prompts])[0]

    def answer(self, prompts: Sequence[Prompts]) -> list[Mask]:
        """Segment one object per entry, all in one batch where the model can.

        Parameters
        ----------
        prompts : sequence of Prompts
            See `napari_sam_onnx.prompts.make_prompts`.

        Returns
        -------
        list of Mask
            The best mask for each, in order.
        """
        return answer_prompts(self.model, self.embedding, prompts) if prompts else []


def encode_once(model: Model, rgb: NDArray[np.uint8], cache: EmbeddingCache) -> str:
    """Encode a plane, unless its embedding is in a cache.

    Parameters
    ----------
    model : Model
    rgb : (H, W, 3) uint8
        The plane as the model sees it.
    cache : EmbeddingCache

    Returns
    -------
    str
        The key that the embedding has in the cache.
    """
    key = embedding_key(rgb, model.id)
    if cache.get(key) is None:
        cache.put(key, model.encode(rgb))
    return key


def answer_prompts(model: Model, embedding: Embedding, prompts: Sequence[Prompts]) -> list[Mask]:
    """Segment one object per entry on an encoded plane, see `Segmenter.answer`."""
    answer = model.decode(embedding, prompts)
    return [best_mask(answer, index, embedding.plane_shape) for index in range(len(prompts))]
