"""The colour that an object of a Labels layer has, or that it would have by its number.

Colours are read from the layer's colormap: to ask napari to map a number by a colormap that names
each value compiles code, for a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from napari.utils.colormaps import DirectLabelColormap, label_colormap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

Color = tuple[float, float, float]
"""Red, green and blue, 0 to 1."""

UNKNOWN: Color = (1.0, 0.835, 0.0)
"""Of an object whose number, and so whose colour, is still being found out."""

LEAST_LIGHT = 0.5
"""An outline is no darker than this: half of napari's colours are hard to see on a dark picture."""

ON_ITSELF = 0.7
"""So much white or black is mixed into an outline that lies on a label of the same colour."""


@dataclass(frozen=True, slots=True)
class Tint:
    """How an open object is coloured.

    Parameters
    ----------
    color : (red, green, blue)
        That of the label it will be.
    on_itself : bool
        Whether it is that label already, and lies on it.
    """

    color: Color = UNKNOWN
    on_itself: bool = False

    @property
    def edge(self) -> Color:
        """The colour of its outline, which is seen on the picture and on the label."""
        red, green, blue = self.color
        light = 0.3 * red + 0.59 * green + 0.11 * blue
        if self.on_itself:
            return _mix(self.color, 0.0 if light > LEAST_LIGHT else 1.0, ON_ITSELF)
        return _mix(self.color, 1.0, max(0.0, (LEAST_LIGHT - light) / (1 - light or 1)))


PLAIN = Tint()
LIKE = Tint((0.18, 0.90, 0.42))
"""Around what is an example: the green of points on an object."""
UNLIKE = Tint((1.0, 0.23, 0.23))
"""Around a counter-example: the red of points on the background."""


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


def _mix(color: Color, gray: float, share: float) -> Color:
    red, green, blue = (value + share * (gray - value) for value in color)
    return red, green, blue


@cache
def _usual_colormap() -> Any:
    return label_colormap(49, seed=0.5, background_value=0)  # what napari gives `Labels`
