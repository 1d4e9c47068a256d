"""Pure: what an image layer shows, of which shape and in which colours; which layers lie alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image

RAMP = 33
"""Colours that stand for a colormap which is more than one colour."""


def layer_array(layer: Image) -> Any:
    """Return the data of a layer at its full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


def layer_shape(layer: Image) -> tuple[int, ...]:
    """Pixels along each axis of a layer, without the samples of a colour picture."""
    shape = tuple(int(n) for n in layer_array(layer).shape)
    return shape[: layer.ndim]


def top_color(layer: Image) -> tuple[float, float, float]:
    """Return the colour in which a layer shows its brightest pixels."""
    red, green, blue = (float(v) for v in np.asarray(layer.colormap.colors)[-1][:3])
    return red, green, blue


def ramp_of(layer: Image) -> tuple[tuple[float, float, float], ...]:
    """Return the colours of a layer's colormap; none where one colour rises from black."""
    at = np.linspace(0, 1, RAMP)
    colors = np.asarray(layer.colormap.map(at))[:, :3]
    if np.allclose(colors, at[:, None] * colors[-1], atol=0.01):
        return ()
    return tuple((round(float(r), 4), round(float(g), 4), round(float(b), 4)) for r, g, b in colors)


def shown_limits(layer: Image) -> tuple[float, float]:
    """Return the values that a layer shows as black and as full colour."""
    low, high = layer.contrast_limits
    return float(low), float(high)


def lie_alike(a: Image, b: Image) -> bool:
    """Whether two layers lie on one another pixel by pixel."""
    names = ("scale", "translate", "rotate", "shear")
    return (
        layer_shape(a) == layer_shape(b)
        and all(np.allclose(getattr(a, name), getattr(b, name)) for name in names)
        and np.allclose(a.affine.affine_matrix, b.affine.affine_matrix)
    )


def mixable_layers(layers: Sequence[Image], main: Image | None) -> list[Image]:
    """List the single-channel layers that lie on a layer, or on the first that is one."""
    plain = [layer for layer in layers if not layer.rgb]
    first = main if main in plain else next(iter(plain), None)
    return [layer for layer in plain if first is not None and lie_alike(layer, first)]
