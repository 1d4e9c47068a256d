"""A ring around an object that is talked about."""

from __future__ import annotations

from napari_sam_onnx.masks.mask import Mask, crop_to_object, widen

THICK = 400
"""So many times smaller than the plane is a ring thick."""


def draw_ring(mask: Mask) -> Mask:
    """Draw a ring around an object: beside it, so that it is seen on labels of any colour."""
    from scipy.ndimage import binary_dilation

    mask = crop_to_object(mask)
    if not mask:
        return mask
    thick = max(2, round(max(mask.shape) / THICK))
    room = widen(mask, thick + 1)
    gap = binary_dilation(room.crop)
    ring = binary_dilation(gap, None, thick) & ~gap
    return crop_to_object(Mask(mask.shape, room.origin, ring))
