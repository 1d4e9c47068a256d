"""What the user chose that the model sees: one image layer, its channels, or several layers mixed.

A `Picture` speaks of live layers; its snapshot is a `Reader`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from zlib import adler32

import numpy as np

from napari_sam_onnx.pictures.image import CHANNEL_COLORS, WHITE, Channel, ImageError
from napari_sam_onnx.plugin.picture.reader import Reader
from napari_sam_onnx.plugin.picture.shown import (
    layer_array,
    layer_shape,
    lie_alike,
    ramp_of,
    shown_limits,
    top_color,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image

    from napari_sam_onnx.plugin.picture.plane import Plane

RGB = tuple(Channel(i, CHANNEL_COLORS[i]) for i in range(3))


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """One channel as the user chose it.

    Parameters
    ----------
    name : str
        What the form shows.
    on : bool
        Whether the model sees it.
    color : (r, g, b)
        Each 0 to 1.
    weight : float
        Multiplies the intensity.
    limits : (low, high) or None
        Values shown as black and as full colour; None: as the picture says.
    gamma : float or None
        None: as the picture says.
    followed : bool
        Whether colours and weight are those of the layer, while what is shown is followed.
    """

    name: str
    on: bool = True
    color: tuple[float, float, float] = WHITE
    weight: float = 1.0
    limits: tuple[float, float] | None = None
    gamma: float | None = None
    followed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The user's choice of what the model sees.

    Parameters
    ----------
    layers : tuple of napari Image layers
        One, or several of equal shape that are mixed. The first gives the geometry.
    channel_axis : int or None
        The axis of a single layer whose positions are channels.
    channels : tuple of ChannelChoice
        One per position of the channel axis or per mixed layer; empty for a plain picture.
    as_shown : bool
        Whether limits, gamma and colours are the layers' own (what one sees), or limits are
        percentiles of each channel.
    view : str
        Another way in which the model sees it, see `napari_sam_onnx.pictures.views`.
    """

    layers: tuple[Image, ...]
    channel_axis: int | None = None
    channels: tuple[ChannelChoice, ...] = ()
    as_shown: bool = True
    view: str = ""

    @property
    def main(self) -> Image:
        """The layer whose geometry everything else takes over."""
        return self.layers[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis; 1 along the channel axis, which labels do not have."""
        shape = layer_shape(self.main)
        return tuple(1 if axis == self.channel_axis else n for axis, n in enumerate(shape))

    @property
    def projected(self) -> bool:
        """Whether the viewer shows the planes of a thick slice as one."""
        return any(str(layer.projection_mode) != "none" for layer in self.layers)

    def snapshot(self) -> Reader:
        """Freeze the choice with the contrast limits of this moment.

        Raises
        ------
        ImageError
            If no channel is ticked.
        """
        arrays = tuple(layer_array(layer) for layer in self.layers)
        modes = tuple(str(layer.projection_mode) for layer in self.layers)
        pyramid = self.main.multiscale and len(self.layers) == 1
        levels = tuple(self.main.data[1:]) if pyramid else ()
        if self.main.rgb:
            top = _full_scale(arrays[0].dtype)
            channels = tuple(replace(c, limits=(0.0, top)) for c in RGB)
            return Reader(
                arrays, self.shape, channels, rgb=True, modes=modes, view=self.view, levels=levels
            )
        if not self.channels:
            channel = _as_shown(Channel(0), self.main) if self.as_shown else Channel(0)
            return Reader(
                arrays, self.shape, (channel,), modes=modes, view=self.view, levels=levels
            )
        mixed = (self._mix(i, choice) for i, choice in enumerate(self.channels) if choice.on)
        channels = tuple(channel for channel in mixed if channel.weight > 0)
        if not channels:
            raise ImageError("No channel is ticked; tick at least one for the model to see.")
        return Reader(
            arrays,
            self.shape,
            channels,
            self.channel_axis,
            modes=modes,
            view=self.view,
            levels=levels,
        )

    def _mix(self, index: int, choice: ChannelChoice) -> Channel:
        """Say how a channel is shown: as the layer is, where that is followed."""
        channel = Channel(index, choice.color, choice.weight)
        if self.as_shown and self.channel_axis is None:
            layer = self.layers[index]
            limits = shown_limits(layer)
            channel = replace(channel, limits=limits, gamma=float(layer.gamma))
            if choice.followed:
                channel = replace(
                    channel,
                    color=top_color(layer),
                    weight=float(layer.opacity),
                    ramp=ramp_of(layer),
                )
        if choice.limits is not None:
            channel = replace(channel, limits=choice.limits)
        return channel if choice.gamma is None else replace(channel, gamma=choice.gamma)


def mix_layers(layers: Sequence[Image]) -> Picture:
    """Choose several layers, mixed as the viewer shows them.

    Raises
    ------
    ImageError
        If there is none, or they do not lie on one another pixel by pixel.
    """
    if not layers:
        raise ImageError("Tick at least one image layer for the model to see.")
    first = layers[0]
    for layer in layers:
        if layer.rgb:
            raise ImageError(
                f"“{layer.name}” is a colour picture and cannot be mixed; choose it alone."
            )
        if not lie_alike(layer, first):
            raise ImageError(
                f"“{layer.name}” and “{first.name}” differ in shape or position, so they "
                "cannot be mixed."
            )
    channels = tuple(
        ChannelChoice(
            layer.name, color=top_color(layer), weight=float(layer.opacity), followed=True
        )
        for layer in layers
    )
    return Picture(tuple(layers), channels=channels)


def split_axis(layer: Image, axis: int) -> Picture:
    """Choose one axis of a layer as its channels; at most six are ticked to begin with."""
    length = layer_shape(layer)[axis]
    if length == 1:
        return Picture((layer,), axis, (ChannelChoice("Channel 0"),), as_shown=False)
    channels = tuple(
        ChannelChoice(
            f"Channel {i}", i < len(CHANNEL_COLORS), CHANNEL_COLORS[i % len(CHANNEL_COLORS)]
        )
        for i in range(length)
    )
    return Picture((layer,), axis, channels, as_shown=False)


def content_of(picture: Picture, plane: Plane | None) -> tuple[Any, ...] | None:
    """Identify what a plane of a picture holds now, where it lies in memory.

    Returns
    -------
    tuple or None
        The plane, and a checksum for each layer. None where no plane is shown, or a layer is lazy:
        looking at it would read it.
    """
    arrays = [layer_array(layer) for layer in picture.layers]
    if plane is None or not all(isinstance(array, np.ndarray) for array in arrays):
        return None
    at = [slice(None) if i == picture.channel_axis else p for i, p in enumerate(plane.slices)]
    parts = (np.ascontiguousarray(array[tuple(at)]) for array in arrays)
    return (plane, *(adler32(part.view(np.uint8).reshape(-1)) for part in parts))


def _as_shown(channel: Channel, layer: Image) -> Channel:
    """Show the one channel of a layer by its limits and gamma, and by its colormap if that is gray.

    (Colours of a single channel tell a model nothing that its intensities do not.)
    """
    ramp = ramp_of(layer)
    gray = all(max(color) - min(color) < 0.02 for color in ramp)
    limits, gamma = shown_limits(layer), float(layer.gamma)
    return replace(channel, limits=limits, gamma=gamma, ramp=ramp if gray else ())


def _full_scale(dtype: np.dtype[Any]) -> float:
    """Return the value that a colour picture of this type shows as full colour."""
    return float(np.iinfo(dtype).max) if np.dtype(dtype).kind in "ui" else 1.0
