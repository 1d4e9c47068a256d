"""A plane and prompts -> masks: encode once, decode per prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_onnx.arguments import require
from napari_sam_onnx.cache import EmbeddingCache, encode_again, encode_through
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.masks.regions import cut_region, move_prompts_in
from napari_sam_onnx.masks.upscale import best_mask
from napari_sam_onnx.pictures.image import to_rgb
from napari_sam_onnx.prompting.looks import look_smaller
from napari_sam_onnx.prompting.scales import find_part, plan_look
from napari_sam_onnx.prompting.style import take_style
from napari_sam_onnx.prompts import PromptError, make_prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.masks.regions import Region
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.planes import PlaneSource
    from napari_sam_onnx.prompting.scales import Look
    from napari_sam_onnx.prompting.style import Style
    from napari_sam_onnx.prompts import Prompts


class Segmenter:
    """Answers prompts on one plane at a time.

    Parameters
    ----------
    model : Model
        See `napari_sam_onnx.load_model`.
    cache : EmbeddingStore, optional
        Where embeddings are kept; one of its own where omitted. Share one between
        segmenters to keep embeddings across models.

    Examples
    --------
    >>> import napari_sam_onnx as nso
    >>> segmenter = nso.Segmenter(nso.load_model("pebble"))  # doctest: +SKIP
    >>> segmenter.set_image(image)  # doctest: +SKIP
    >>> mask = segmenter.segment(points=[(120, 85)])  # doctest: +SKIP
    """

    def __init__(self, model: Model, cache: EmbeddingStore | None = None) -> None:
        self.model = model
        self.cache: EmbeddingStore = EmbeddingCache() if cache is None else cache
        self._embedding: Embedding | None = None
        self._plane_shape = (0, 0)
        self._region: Region | None = None
        self._scaled = False
        self._read: Callable[[], NDArray[np.uint8]]  # the whole plane, once there is one
        self._look_at: Look | None = None

    @property
    def embedding(self) -> Embedding:
        """The embedding of the current plane, or of the region of it that is looked at.

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
        _ = self.embedding  # says what to do where there is none
        return self._plane_shape

    @property
    def region(self) -> Region | None:
        """The part of the plane that is looked at; None for all of it."""
        return self._region

    def set_image(
        self,
        image: Any,
        axes: str | None = None,
        channels: Sequence[Channel] | None = None,
        region: Region | None = None,
        diameter: float = 0.0,
    ) -> Embedding:
        """Encode a plane, unless its embedding is in the cache.

        Parameters
        ----------
        image : (H, W) or (H, W, C) array, any dtype, or any order named by ``axes``
            The plane.
        axes, channels
            See `napari_sam_onnx.pictures.image.to_rgb`.
        region, diameter
            See `set_rgb`.
        """
        return self.set_rgb(to_rgb(image, axes, channels), region, diameter)

    def set_rgb(
        self, rgb: NDArray[np.uint8], region: Region | None = None, diameter: float = 0.0
    ) -> Embedding:
        """Encode a plane as the model sees it, unless its embedding is in the cache.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
            The whole plane.
        region : Region, optional
            The part of the plane to look at, at its scale. Prompts and masks stay in pixels of
            the plane; a prompt beyond the region cannot be answered.
        diameter : float
            Of a typical object in plane pixels: the plane is looked at in the scale that suits
            it, where needed in parts around the prompts. 0: in the model's own scale.

        Raises
        ------
        PromptError
            If a region and a diameter are given, or the diameter is negative.
        """
        if diameter < 0 or (diameter and region is not None):
            raise PromptError(
                "The diameter of an object is positive, and is given without a region: it says "
                "itself what is looked at."
            )
        self._look_at = None
        self._read = lambda: rgb
        if diameter:
            embedding = self._look(rgb, (rgb.shape[0], rgb.shape[1]), None)
            own = max(embedding.input_shape) / max(embedding.plane_shape)
            look = plan_look(self.model, embedding.plane_shape, diameter, own)
            if look.part:  # each answer encodes the part that it needs
                self._look_at = look
                return embedding
            return self._look(rgb, embedding.plane_shape, None, look.model)
        shape = (rgb.shape[0], rgb.shape[1])
        return self._look(rgb if region is None else cut_region(rgb, region), shape, region)

    def set_plane(
        self, source: PlaneSource, index: tuple[int, ...] = (), region: Region | None = None
    ) -> Embedding:
        """Encode a plane of a source; of a region nothing else is read.

        Parameters
        ----------
        source : PlaneSource
        index : tuple of int
            See `PlaneSource`.
        region : Region, optional
            See `set_rgb`.
        """
        self._look_at = None
        self._read = lambda: source.read(index)
        return self._look(source.read(index, region), source.plane_shape, region)

    def _look(
        self,
        rgb: NDArray[np.uint8],
        plane_shape: tuple[int, int],
        region: Region | None,
        model: Model | None = None,
    ) -> Embedding:
        """Encode what is looked at, and remember where it lies."""
        embedding = encode_through(rgb, self.model if model is None else model, self.cache)
        self._embedding, self._plane_shape, self._region = embedding, plane_shape, region
        self._scaled = model is not None
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
        if mask is not None:
            require(mask, Mask, "The mask to refine is a Mask that segment answered", PromptError)
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
            The best mask for each, in order. Where that is doubtful or large, the plane is looked
            at in smaller sizes too, see `prompting.looks`, unless a region or a diameter says
            how it is to be looked at.
        """
        if not prompts:
            return []
        if self._look_at is not None:
            return [self._answer_in_part(asked, self._look_at) for asked in prompts]
        embedding, region = self.embedding, self._region
        masks = answer_prompts(self.model, embedding, prompts, region, self._plane_shape)
        if region is not None or self._scaled:
            return masks
        return look_smaller(masks, prompts, self.model, embedding, self._read, self.cache)

    def _answer_in_part(self, prompts: Prompts, look: Look) -> Mask:
        """Answer prompts for one object in the part of the plane around them."""
        rgb, shape = self._read(), self._plane_shape
        region = find_part(prompts, shape, look)
        embedding = self._look(cut_region(rgb, region), shape, region, look.model)
        return answer_prompts(self.model, embedding, [prompts], region, shape)[0]


def answer_plane(
    model: Model,
    embedding: Embedding,
    prompts: Sequence[Prompts],
    style: Style,
    read: Callable[[], NDArray[np.uint8]],
    cache: EmbeddingStore,
) -> list[Mask]:
    """Answer prompts as the session does: at first sight, smaller where in doubt, in a style.

    Parameters
    ----------
    model : Model
    embedding : Embedding
        Of the plane.
    prompts : sequence of Prompts
        One per object.
    style : Style
    read, cache
        See `look_smaller`.
    """
    shape = embedding.plane_shape
    asked = [make_prompts(p.points, p.labels, p.box, p.mask, plane_shape=shape) for p in prompts]
    if style.diameter:
        masks = _answer_at_size(model, embedding, asked, style.diameter, read, cache)
    else:
        masks = answer_prompts(model, embedding, asked)
        masks = look_smaller(masks, asked, model, embedding, read, cache)
    return take_style(masks, asked, style)


def _answer_at_size(
    model: Model,
    embedding: Embedding,
    prompts: Sequence[Prompts],
    diameter: float,
    read: Callable[[], NDArray[np.uint8]],
    cache: EmbeddingStore,
) -> list[Mask]:
    """Answer prompts in the scale that suits objects of a diameter, see `Segmenter.set_rgb`."""
    shape = embedding.plane_shape
    look = plan_look(model, shape, diameter, max(embedding.input_shape) / max(shape))
    if look.model is model and not look.part:
        return answer_prompts(model, embedding, prompts)
    if not look.part:
        seen = encode_again(embedding, look.model, cache, read)
        return answer_prompts(look.model, seen, prompts)
    rgb, masks = read(), []
    for asked in prompts:
        region = find_part(asked, shape, look)
        seen = encode_through(cut_region(rgb, region), look.model, cache)
        masks += answer_prompts(look.model, seen, [asked], region, shape)
    return masks


def answer_prompts(
    model: Model,
    embedding: Embedding,
    prompts: Sequence[Prompts],
    region: Region | None = None,
    plane_shape: tuple[int, int] | None = None,
) -> list[Mask]:
    """Segment one object per entry on an encoded plane, see `Segmenter.answer`.

    Parameters
    ----------
    model, embedding, prompts
    region : Region, optional
        The part of the plane that was encoded; all of it where omitted.
    plane_shape : (H, W), optional
        Pixels of the plane, with a region.
    """
    if region is not None:
        prompts = [move_prompts_in(asked, region) for asked in prompts]
    answer = model.decode(embedding, prompts)
    shape = embedding.plane_shape if plane_shape is None else plane_shape
    return [best_mask(answer, index, shape, region) for index in range(len(prompts))]
