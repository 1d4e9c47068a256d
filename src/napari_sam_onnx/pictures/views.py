"""The picture as a model is shown it, seen another way: inverted, one colour or stain alone.

A view changes each pixel by itself and by fixed rules, so that tiles, regions and planes look
alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.pictures.image import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

STAINS = ("hematoxylin", "eosin", "dab")
COLORS = ("red", "green", "blue")
INVERTED = "inverted"
VIEWS = (INVERTED, *(f"{part}{end}" for end in ("", "-inverted") for part in (*STAINS, *COLORS)))

FULL_STAIN = {"hematoxylin": 0.12, "eosin": 0.2, "dab": 0.25}
"""How much of each stain, in the unit of `skimage.color.separate_stains`, is shown as white: what
about one pixel of a hundred holds on slides of nuclei and tissue. Fixed: tiles look alike."""


def check_view(view: str) -> str:
    """Refuse a view that does not exist; the empty one is the picture itself.

    Raises
    ------
    ImageError
    """
    if view and view not in VIEWS:
        raise ImageError(f"There is no view {view!r}; choose one of {', '.join(VIEWS)}.")
    return view


def name_view(view: str) -> str:
    """Say a view in words."""
    part, _, inverted = view.partition("-")
    return "as it is" if not view else f"{part}, inverted" if inverted else part


def show_view(rgb: NDArray[np.uint8], view: str) -> NDArray[np.uint8]:
    """Show a picture another way.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    view : str
        One of `VIEWS`; empty: the picture itself. A stain or a colour is bright where there is
        much of it, ``-inverted`` dark.

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    ImageError
        If there is no such view.

    Notes
    -----
    Stains by Ruifrok and Johnston (2001), haematoxylin, eosin and DAB, as
    `skimage.color.separate_stains` has them; white is `FULL_STAIN`.
    """
    check_view(view)
    if not view:
        return rgb
    stain, _, inverted = view.partition("-")
    if stain == INVERTED:
        return 255 - rgb
    if stain in COLORS:
        sample = rgb[..., COLORS.index(stain)]
        return np.repeat((255 - sample if inverted else sample)[..., None], 3, axis=2)
    from skimage.color import hed_from_rgb, separate_stains

    amount = separate_stains(rgb, hed_from_rgb)[..., STAINS.index(stain)]
    shown = np.clip(amount / FULL_STAIN[stain], 0, 1)
    gray = ((1 - shown if inverted else shown) * 255 + 0.5).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)
