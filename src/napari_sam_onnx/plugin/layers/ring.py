"""A ring around an object that is talked about."""

from __future__ import annotations

import numpy as np

from napari_sam_onnx.masks.mask import Mask, crop_to_object

THICK = 400
"""So many times smaller than the plane is a ring thick."""


def draw_ring(mask: Mask) -> Mask:
    """Draw a ring around an object: beside it, so that it is seen on labels of any colour."""
    from scipy.ndimage import binary_dilation

    mask = crop_to_object(mask)
    if not mask:
        return mask
    thick = max(2, round(max(mask.shape) / THICK))
    rows, columns = mask.crop.shape
    top, left = (max(0, place - thick - 1) for place in mask.origin)
    bottom = min(mask.shape[0], mask.origin[0] + rows + thick + 1)
    right = min(mask.shape[1], mask.origin[1] + columns + thick + 1)
    room = np.zeros((bottom - top, right - left), bool)
    y, x = mask.origin[0] - top, mask.origin[1] - left
    room[y : y + rows, x : x + columns] = mask.crop
    gap = binary_dilation(room)
    return crop_to_object(Mask(mask.shape, (top, left), binary_dilation(gap, None, thick) & ~gap))
