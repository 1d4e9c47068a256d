"""A mask without its small holes and islands, as SAM's generator cleans it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.masks.mask import crop_to_object, widen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask


def clean_small_regions(mask: Mask, min_area: int) -> tuple[Mask, bool]:
    """Fill holes, then remove islands, that are smaller than an area.

    The semantics are those of SAM's ``remove_small_regions`` on the whole plane: 8-connected;
    background that the plane's edge closes off is a hole; where every island is small the
    largest stays. An empty mask stays empty.

    Returns
    -------
    mask : Mask
    changed : bool
        Whether there was any such region; true as well where the only island is small and stays.
    """
    if not mask:
        return mask, False
    framed = widen(mask, 1)
    outside = _background_beyond(framed)
    holes, hollow = _find_small(~framed.crop, min_area, outside, keep_largest=False)
    if (holes & (outside > 0)).any():  # a narrow strip of the plane counts as a hole
        framed = replace(framed, origin=(0, 0), pixels=np.asarray(framed, dtype=bool))
        holes, hollow = _find_small(~framed.crop, min_area, None, keep_largest=False)
    solid = framed.crop | holes
    islands, scattered = _find_small(solid, min_area, None, keep_largest=True)
    if not (hollow or scattered):
        return mask, False
    return crop_to_object(replace(framed, pixels=solid & ~islands)), True


def _background_beyond(mask: Mask) -> NDArray[np.int64]:
    """Pixels of the plane outside a framed crop, counted at the frame that they hang on."""
    y0, x0, y1, x1 = mask.bbox
    height, width = mask.shape
    beyond = np.zeros(mask.pixels.shape, np.int64)
    beyond[0, 0] += y0 * width
    beyond[-1, -1] += (height - y1) * width
    beyond[-1, 0] += x0 * (y1 - y0)
    beyond[0, -1] += (width - x1) * (y1 - y0)
    return beyond


def _find_small(
    binary: NDArray[np.bool_],
    min_area: int,
    beyond: NDArray[np.int64] | None,
    *,
    keep_largest: bool,
) -> tuple[NDArray[np.bool_], bool]:
    """Mark the 8-connected regions smaller than an area; tell whether there are any.

    ``beyond`` holds further pixels that belong to the region at a place.
    """
    from scipy import ndimage

    regions, _ = ndimage.label(binary, structure=np.ones((3, 3)))
    areas = np.bincount(regions.ravel())
    if beyond is not None:
        areas = areas + np.bincount(regions.ravel(), beyond.ravel()).astype(np.int64)
    small = areas < min_area
    small[0] = False
    found = bool(small.any())
    if keep_largest and found and small[1:].all():
        small[1 + int(np.argmax(areas[1:]))] = False
    marked: NDArray[np.bool_] = small[regions]
    return marked, found
