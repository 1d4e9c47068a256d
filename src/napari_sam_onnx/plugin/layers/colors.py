"""The colour that an object of a Labels layer has, or that it would have by its number.

Colours are read from the layer's colormap: to ask napari to map a number by a colormap that names
each value compiles code, for a second.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from napari.utils.colormaps import DirectLabelColormap, label_colormap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

Color = tuple[float, float, float]
"""Red, green and blue, 0 to 1."""


def color_of(layer: Labels | None, label: int) -> Color:
    """Return the colour of a number in a Labels layer; None: in one that napari makes anew."""
    colormap: Any = _usual_colormap() if layer is None else layer.colormap
    if isinstance(colormap, DirectLabelColormap):
        known = colormap.color_dict
        return as_color(known[label] if label in known else known[None])
    count = len(colormap.colors) - 1
    return as_color(colormap.colors[1 + (label - 1) % count if label else 0])


def usual_colors() -> list[Color]:
    """List the colours of a Labels layer that nobody gave others."""
    return [as_color(color) for color in _usual_colormap().colors[1:]]


def as_color(values: Sequence[float]) -> Color:
    """Take the colour without its opacity, to three digits, so that equal ones compare equal."""
    red, green, blue = (round(float(value), 3) for value in values[:3])
    return red, green, blue


@cache
def _usual_colormap() -> Any:
    return label_colormap(49, seed=0.5, background_value=0)  # what napari gives `Labels`
