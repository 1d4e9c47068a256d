"""How our layers are marked, and how they lie on a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from napari.utils.transforms import Affine

from napari_sam_onnx.export.writers import MARK as MARK
from napari_sam_onnx.plugin.picture.shown import layer_shape, lie_alike

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.plugin.picture.picture import Picture


def role_of(layer: Layer) -> str | None:
    """Return what a layer is to us, or None where it is not ours.

    Layers are found by this mark in their metadata, never by their name, which is the user's.
    """
    mark = layer.metadata.get(MARK)
    return mark.get("role") if isinstance(mark, dict) else None


def is_channel(layer: Any, picture: Picture) -> bool:
    """Whether a layer is of a picture: one of its layers, or added to its light on its pixels."""
    if not isinstance(layer, Image) or role_of(layer) is not None:
        return False
    added = layer.blending == "additive" and lie_alike(layer, picture.main)
    return layer in picture.layers or added


def first_picture(viewer: ViewerModel) -> Image | None:
    """Find the picture to begin with: the selected one, else the topmost that is visible."""
    active = viewer.layers.selection.active
    images = [e for e in viewer.layers if isinstance(e, Image) and role_of(e) is None]
    if active in images:
        return active
    return next((layer for layer in reversed(images) if layer.visible), None)


def geometry_of(picture: Picture) -> dict[str, Any]:
    """Return the arguments that put a layer on a picture.

    Along a channel axis, our layers are one pixel that spans all channels: what is drawn on one
    channel belongs to the object and shows on all of them.
    """
    layer = picture.main
    return {
        **transform_of(layer),
        "scale": _scale(picture),
        "translate": place(picture, np.zeros(layer.ndim)),
    }


def transform_of(layer: Layer) -> dict[str, Any]:
    """Return the arguments that put a layer where another one lies, pixel on pixel."""
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine.affine_matrix,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def lay_over(layer: Layer, picture: Picture) -> bool:
    """Put a layer whose pixels are the picture's on the picture, where its file knew no scale.

    A layer that has a geometry of its own stays where it is.

    Returns
    -------
    bool
        Whether it was moved.
    """
    wanted = geometry_of(picture)
    if layer.ndim != picture.main.ndim:
        return False
    plain = type(layer)(np.zeros((1,) * layer.ndim, np.uint8))
    names = ("scale", "translate", "rotate", "shear", "affine")
    now, start = ([_numbers(one, name) for name in names] for one in (layer, plain))
    if not all(np.allclose(a, b) for a, b in zip(now, start, strict=True)):
        return False
    if all(np.allclose(a, wanted[name]) for a, name in zip(now, names, strict=True)):
        return False
    for name, value in wanted.items():
        setattr(layer, name, value)
    return True


def _numbers(layer: Layer, name: str) -> NDArray[np.float64]:
    value = getattr(layer, name)
    return np.asarray(value.affine_matrix if name == "affine" else value, float)


def place(picture: Picture, offset: ArrayLike) -> NDArray[np.float64]:
    """Return the ``translate`` of a layer whose first pixel is another one of the picture.

    Parameters
    ----------
    picture : Picture
    offset : (D,) array-like
        That pixel, in the picture's data coordinates.
    """
    layer = picture.main
    turn = Affine(
        scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear
    )
    middle = np.array(offset, dtype=float)
    if picture.channel_axis is not None:
        middle[picture.channel_axis] = (layer_shape(layer)[picture.channel_axis] - 1) / 2
    return np.asarray(turn(middle), dtype=float)


def name_axis(layer: Layer, axis: int) -> str:
    """Name an axis as the viewer does: by its number, and its label where it has one."""
    label = layer.axis_labels[axis]
    return f"axis {axis}" if label == str(axis - layer.ndim) else f"axis {axis} ({label})"


def _scale(picture: Picture) -> NDArray[np.float64]:
    scale = np.array(picture.main.scale, dtype=float)
    if picture.channel_axis is not None:
        scale[picture.channel_axis] *= layer_shape(picture.main)[picture.channel_axis]
    return scale
