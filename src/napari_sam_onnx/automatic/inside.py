"""All objects inside an outline: the automatic masks of a part of a plane, found at once.

A plane that a model sees whole is looked at as it is for clicks, so that nothing is encoded again;
of a large one, and for models that are asked by a grid of clicks, only the outline's part is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.choose import iterate_choice
from napari_sam_onnx.automatic.settings.grid_parameters import GridParameters
from napari_sam_onnx.automatic.steps import iterate_mask_set
from napari_sam_onnx.automatic.where import Place
from napari_sam_onnx.masks.regions import Region, cut_region, move_mask, whole_region

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.automatic.finders.progress import Progress
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model

WHOLE = 2048
"""A plane no longer than this is looked at as a whole."""

MARGIN, LEAST_MARGIN = 0.25, 32
"""What is looked at around an outline: a part of its extent, and so many pixels at least."""


def iterate_inside(
    read: Callable[[Region], NDArray[np.uint8]],
    plane_shape: tuple[int, int],
    model: Model,
    outline: ArrayLike,
    existing: Callable[[tuple[slice, slice]], NDArray[np.integer]] | None,
    cache: EmbeddingStore,
) -> Generator[Progress, None, list[Mask]]:
    """Find the objects that lie inside an outline for the most part.

    Parameters
    ----------
    read : callable
        Takes a `Region` of the plane and returns it as a model sees it, ``(h, w, 3)`` uint8.
    plane_shape : (H, W)
    model : Model
    outline : (V, 2) array-like
        Corners ``(y, x)`` in pixels of the plane; it is closed.
    existing : callable or None
        Takes slices of the plane and returns the labels there, whose pixels are left alone.
    cache : EmbeddingStore
        Where embeddings are kept.

    Yields
    ------
    Progress
        As `iterate_mask_set` does.

    Returns
    -------
    list of Mask
        The generator's value: on the plane, the best rated first.
    """
    corners = np.asarray(outline, float)
    around = find_part(corners, plane_shape)
    region = whole_region(plane_shape) if max(plane_shape) <= WHOLE else around
    rgb = read(region)
    settings = yield from iterate_choice(model, rgb, cache, {})
    if isinstance(settings, GridParameters) and region != around:
        rgb, region = cut_region(rgb, around), around
    place = _make_place(corners, region, existing)
    found = yield from iterate_mask_set(rgb, model, settings, cache=cache, place=place)
    return [move_mask(mask, region, plane_shape) for mask in found.choose()]


def find_part(corners: NDArray[np.float64], plane_shape: tuple[int, int]) -> Region:
    """Return the part of a plane that an outline lies in, with some of what is around."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = np.maximum(LEAST_MARGIN, MARGIN * (high - low))
    y0, x0 = np.floor(low - margin).astype(int).tolist()
    y1, x1 = np.ceil(high + margin + 1).astype(int).tolist()
    return Region((y0, x0, y1, x1)).clip(plane_shape)


def _make_place(
    corners: NDArray[np.float64],
    region: Region,
    existing: Callable[[tuple[slice, slice]], NDArray[np.integer]] | None,
) -> Place:
    from skimage.draw import polygon

    allowed = np.zeros(region.shape, bool)
    allowed[polygon(*(corners - region.box[:2]).T, region.shape)] = True
    labels = np.zeros(region.shape, np.uint32) if existing is None else existing(region.slices)
    return Place(allowed, labels)
