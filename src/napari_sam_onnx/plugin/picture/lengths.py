"""How long a pixel of a picture is, where its layer says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.export.writers import MICROMETRES

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.picture.picture import Picture


def pixel_side(picture: Picture | None, axes: tuple[int, int]) -> float | None:
    """Return the side of a pixel in micrometres: of a square of its area.

    Parameters
    ----------
    picture : Picture or None
    axes : (row, column)
        The axes of the picture that are the plane's Y and X.

    Returns
    -------
    float or None
        None where the units of an axis are no lengths.
    """
    if picture is None:
        return None
    layer, sides = picture.main, []
    for axis in axes:
        factor = MICROMETRES.get(str(layer.units[axis]).lower())
        if factor is None:
            return None
        sides.append(abs(float(layer.scale[axis])) * factor)
    return float(np.sqrt(sides[0] * sides[1]))
