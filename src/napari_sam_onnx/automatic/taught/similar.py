"""Find what looks like a few examples: features of an embedding inside each mask, compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.arguments import as_numbers
from napari_sam_onnx.automatic.generate import find_masks, load
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.automatic.taught.compare import rate_similar
from napari_sam_onnx.automatic.taught.looks import look_at
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.labels.label_image import paint_masks
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.pictures.image import to_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.automatic.kept.mask_set import MaskSet
    from napari_sam_onnx.automatic.settings.selection import Selection
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel


DOUBTFUL = 0.8
"""Part of the least rating that suffices where something looks like the examples: they vouch for
what the model by itself doubts."""

_RATINGS = {"min_rating", "pred_iou_thresh"}


@dataclass(frozen=True, slots=True, eq=False)
class Similar:
    """Candidates and how much they look like the examples.

    Parameters
    ----------
    found : MaskSet
        The candidates.
    similarity : (N,) float64
        At most 1; see `rate_similar`.
    selection : Selection
        The limits on them: those of the run, with the rating as `loosen_rating` says where no
        rating was asked for.
    """

    found: MaskSet
    similarity: NDArray[np.float64]
    selection: Selection

    def choose(self, least: float = 0.5, **limits: float) -> list[Mask]:
        """Choose the candidates that are at least so similar, the most similar first.

        Parameters
        ----------
        least : float
        **limits
            Of the selection that are to be others, see `MaskSet.choose`.
        """
        kept = self.found.indices(self.selection.change(**limits))
        near = kept[self.similarity[kept] >= least]
        order = near[np.argsort(-self.similarity[near], kind="stable")]
        return [self.found.masks[i] for i in order]

    def paint(self, least: float = 0.5, **limits: float) -> NDArray[np.uint32]:
        """Paint what `choose` chooses; the most similar has the label 1."""
        return paint_masks(self.choose(least, **limits), self.found.shape)


def find_similar(
    image: Any,
    model: Model | str,
    labels: ArrayLike,
    examples: Sequence[int] | None = None,
    unlike: Sequence[int] = (),
    mode: str | None = None,
    *,
    axes: str | None = None,
    channels: Sequence[Channel] | None = None,
    others: Any = None,
    progress: Callable[[int, int], None] | None = None,
    cache: EmbeddingStore | None = None,
    **parameters: Any,
) -> Similar:
    """Find the objects of a plane that look like examples.

    Parameters
    ----------
    image, model, mode, axes, channels, progress, cache, **parameters
        See `napari_sam_onnx.find_masks`.
    labels : (H, W) integer array-like
        Where the examples are, on ``image``.
    examples : sequence of int, optional
        Labels of what is looked for; all that are not ``unlike`` where omitted.
    unlike : sequence of int
        Labels of what is not looked for.
    others : array, optional
        Another plane to search, of the same axes, channels and pixel size; ``image`` where
        omitted.

    Returns
    -------
    Similar

    Raises
    ------
    ParameterError
        If there is no such label, or the sizes differ.
    """
    made = load(model)
    kept: EmbeddingStore = EmbeddingCache() if cache is None else cache
    rgb = to_rgb(image, axes, channels)
    shown = rgb if others is None else to_rgb(others, axes, channels)
    positive, negative = _read_examples(
        as_numbers(labels, "A label image is an array of numbers", ParameterError),
        rgb.shape[:2],
        examples,
        unlike,
    )
    found = find_masks(shown, made, mode, progress=progress, cache=kept, **parameters)
    given = [*positive, *negative]
    taught = look_at(encode_through(rgb, made, kept), rgb, given)
    looks = look_at(encode_through(shown, made, kept), shown, found.masks)
    numbers = np.arange(len(given))
    wanted, others = (taught.take(part) for part in np.split(numbers, [len(positive)]))
    chosen = found.indices(found.selection)
    limits = found.selection if _RATINGS & parameters.keys() else loosen_rating(found.selection)
    return Similar(found, rate_similar(looks, wanted, others, chosen), limits)


def loosen_rating(selection: Selection) -> Selection:
    """Ask for a lower rating than a run did, for objects that look like examples."""
    return selection.change(min_rating=DOUBTFUL * selection.min_rating)


def _read_examples(
    labels: NDArray[Any],
    plane_shape: tuple[int, ...],
    examples: Sequence[int] | None,
    unlike: Sequence[int],
) -> tuple[list[Mask], list[Mask]]:
    """Cut the examples out of a label image."""
    if labels.shape != plane_shape:
        raise ParameterError(
            f"The examples have the shape {labels.shape} and the plane {plane_shape}; they must be "
            "of one size."
        )
    there = set(np.unique(labels).tolist()) - {0}
    wanted = sorted(there - set(unlike)) if examples is None else list(examples)
    for label in (*wanted, *unlike):
        if label not in there:
            raise ParameterError(f"There is no label {label} among the examples.")
    if not wanted:
        raise ParameterError("There is no example; name at least one label.")
    return (
        [Mask.from_array(labels == label) for label in wanted],
        [Mask.from_array(labels == label) for label in unlike],
    )
