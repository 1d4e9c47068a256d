"""Boxes, or the objects of a label image: one prompt for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.arguments import as_numbers
from napari_sam_onnx.automatic.finders.decode import Filter, Found, iterate_prompts
from napari_sam_onnx.automatic.finders.progress import Progress
from napari_sam_onnx.automatic.kept.mask_set import MaskSet
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.cache import encode_through
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.automatic.settings.parameters import BoxesParameters
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model


def boxes_of(
    source: ArrayLike, plane_shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.int64] | None]:
    """Read boxes, or find those of the objects of an image.

    Parameters
    ----------
    source : (N, 4) array-like or (H, W) array of bool or integer
        Boxes ``(y0, x0, y1, x1)`` in plane pixels, or a label image, or a mask whose 8-connected
        regions are the objects: a boolean image, or one whose only value beside 0 is the largest
        of its type (255) or is found in several regions.
    plane_shape : (H, W)
        An array of this shape is an image.

    Returns
    -------
    boxes : (N, 4) float64
        Those of an image enclose the pixels of the object: from the outer edge of the first to
        that of the last. They are ordered by label.
    numbers : (N,) int64 or None
        The labels that the objects have in a label image.

    Raises
    ------
    ParameterError
        If the source is neither.
    """
    from scipy import ndimage

    array = as_numbers(source, "Boxes and label images are arrays of numbers", ParameterError)
    if array.size == 0:
        return np.zeros((0, 4)), None
    if array.shape != plane_shape:
        if array.ndim == 2 and array.shape[1] == 4 and array.dtype.kind in "uif":
            return array.astype(np.float64), None
        raise ParameterError(
            "Boxes are (N, 4) rows of (y0, x0, y1, x1), or a label image of the plane's "
            f"{plane_shape[0]} × {plane_shape[1]} pixels; got shape {array.shape}."
        )
    if array.dtype.kind not in "bui":
        raise ParameterError(f"A label image holds whole numbers; got type {array.dtype}.")
    ids, labels = np.unique(array, return_inverse=True)
    if ids[0] < 0:
        raise ParameterError(f"A label image holds no negative numbers; got {ids[0]}.")
    ids = ids[ids > 0]
    labels = labels.reshape(array.shape) + (len(ids) == labels.max() + 1)  # no background
    if len(ids) == 1:
        regions, count = ndimage.label(array, structure=np.ones((3, 3)))
        if count > 1 or array.dtype == bool or ids[0] == np.iinfo(array.dtype).max:
            return _enclose(ndimage.find_objects(regions)), None
    return _enclose(ndimage.find_objects(labels)), ids.astype(np.int64)


def _enclose(found: list[tuple[slice, slice]]) -> NDArray[np.float64]:
    """Boxes from the outer edge of the first pixel to that of the last."""
    return np.array(
        [[y.start - 0.5, x.start - 0.5, y.stop - 0.5, x.stop - 0.5] for y, x in found]
    ).reshape(-1, 4)


def iterate_boxes(
    rgb: NDArray[np.uint8],
    model: Model,
    parameters: BoxesParameters,
    cache: EmbeddingStore,
    boxes: NDArray[np.float64],
    numbers: NDArray[np.int64] | None = None,
    doubtful: bool = False,
) -> Found:
    """Prompt with each box; the masks keep the boxes' order, and the numbers that are given."""
    yield Progress(0, len(boxes), "objects")
    shape = (rgb.shape[0], rgb.shape[1])
    prompts = [make_prompts(box=box, plane_shape=shape) for box in boxes]
    embedding = encode_through(rgb, model, cache)
    least, stable = parameters.pred_iou_thresh, parameters.stability_score_thresh
    accept = Filter() if doubtful else Filter(least, stable)
    masks = yield from iterate_prompts(
        model, embedding, prompts, parameters.points_per_batch, accept, numbers
    )
    selection = Selection(
        min_rating=least, min_stability=stable, max_overlap=parameters.max_overlap
    )
    return MaskSet(rgb, tuple(masks), selection, ordered=True)
