"""What the model sees: one image layer, one of its axes as channels, or several layers mixed.

A `Picture` is what the user chose and speaks of live layers. A `Reader` is a snapshot of it,
with the contrast limits of that moment, which a worker thread can read planes from while the
viewer goes on changing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.image import (
    CHANNEL_COLORS,
    WHITE,
    Channel,
    ImageError,
    measure_limits,
    to_rgb,
)
from napari_sam_onnx.plugin.layers.plane import plane_shape, take_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.layers.plane import Plane

RGB = tuple(Channel(i, CHANNEL_COLORS[i]) for i in range(3))

_versions = count(1)


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
    """

    name: str
    on: bool = True
    color: tuple[float, float, float] = WHITE
    weight: float = 1.0


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
        Whether the limits are the layers' own (what one sees) or percentiles of each channel.
    """

    layers: tuple[Image, ...]
    channel_axis: int | None = None
    channels: tuple[ChannelChoice, ...] = ()
    as_shown: bool = True

    @property
    def main(self) -> Image:
        """The layer whose geometry everything else takes over."""
        return self.layers[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis; 1 along the channel axis, which labels do not have."""
        shape = layer_shape(self.main)
        return tuple(1 if axis == self.channel_axis else n for axis, n in enumerate(shape))

    def snapshot(self) -> Reader:
        """Freeze the choice with the contrast limits of this moment.

        Raises
        ------
        ImageError
            If no channel is ticked.
        """
        arrays = tuple(layer_array(layer) for layer in self.layers)
        if self.main.rgb:
            top = _full_scale(arrays[0].dtype)
            channels = tuple(replace(c, limits=(0.0, top)) for c in RGB)
            return Reader(arrays, self.shape, channels, rgb=True)
        if not self.channels:
            limits = _shown_limits(self.main) if self.as_shown else None
            return Reader(arrays, self.shape, (Channel(0, limits=limits),))
        channels = tuple(
            Channel(
                i,
                choice.color,
                choice.weight,
                _shown_limits(self.layers[i])
                if self.as_shown and self.channel_axis is None
                else None,
            )
            for i, choice in enumerate(self.channels)
            if choice.on and choice.weight > 0
        )
        if not channels:
            raise ImageError("No channel is ticked; tick at least one for the model to see.")
        return Reader(arrays, self.shape, channels, self.channel_axis)


@dataclass(slots=True, eq=False)
class Reader:
    """A frozen picture that planes are read from, in any thread.

    Parameters
    ----------
    arrays : tuple of arrays
        The data of the layers, lazy where they are.
    shape : tuple of int
        See `Picture.shape`.
    channels : tuple of Channel
        Limits that are None are measured on the whole array when first needed.
    channel_axis : int or None
        See `Picture`.
    rgb : bool
        Whether the array has red, green and blue along one more, last axis.
    """

    arrays: tuple[Any, ...]
    shape: tuple[int, ...]
    channels: tuple[Channel, ...]
    channel_axis: int | None = None
    rgb: bool = False
    version: int = field(default_factory=lambda: next(_versions))

    def measure(self) -> tuple[Channel, ...]:
        """Fix the contrast limits that are still open, and keep them."""
        if any(channel.limits is None for channel in self.channels):
            self.channels = tuple(
                channel
                if channel.limits is not None
                else replace(channel, limits=measure_limits(self._whole(channel.index)))
                for channel in self.channels
            )
        return self.channels

    def read(self, plane: Plane) -> NDArray[np.uint8]:
        """Show one plane to a model, ``(H, W, 3)`` uint8 RGB."""
        channels = self.measure()
        if self.rgb:
            samples = np.asarray(self.arrays[0][(*plane.slices, slice(0, 3))])
            return to_rgb(samples.swapaxes(0, 1) if plane.flipped else samples, "YXC", channels)
        planes = np.stack([np.asarray(self._plane(c.index, plane)) for c in channels])
        numbered = tuple(replace(c, index=i) for i, c in enumerate(channels))
        return to_rgb(planes, "CYX", numbered)

    def _whole(self, index: int) -> Any:
        """Return one channel of the whole array."""
        if self.channel_axis is None:
            return self.arrays[index]
        return self.arrays[0][(slice(None),) * self.channel_axis + (index,)]

    def _plane(self, index: int, plane: Plane) -> NDArray[np.generic]:
        """Return one channel of one plane."""
        if self.channel_axis is None:
            return take_plane(self.arrays[index], plane)
        position = list(plane.position)
        position[self.channel_axis] = index
        return take_plane(self.arrays[0], replace(plane, position=tuple(position)))


class PlaneStack:
    """The planes of a reader as one lazy RGB array, for whatever reads a stack plane by plane.

    Its axes are those of the picture that the plane leaves free, in their order, then Y, X and
    the samples red, green, blue.

    Parameters
    ----------
    reader : Reader
    plane : Plane
        Any of the stack's planes: it says which axes are Y and X.
    whole : bool
        Whether the stack holds all planes, or that one alone.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, reader: Reader, plane: Plane, whole: bool = True) -> None:
        self._reader, self._plane, self._whole = reader, plane, whole
        outer = tuple(reader.shape[axis] for axis in self.axes)
        self.shape = (*outer, *plane_shape(reader.shape, plane), 3)
        self.ndim = len(self.shape)

    @property
    def axes(self) -> list[int]:
        """The picture's axes that the stack runs along: those longer than one pixel."""
        if not self._whole:
            return []
        return [axis for axis in self._plane.others if self._reader.shape[axis] > 1]

    def plane_at(self, index: Sequence[int]) -> Plane:
        """Return the plane at a position along the stack's own outer axes."""
        position = list(self._plane.position)
        for axis, pixel in zip(self.axes, index, strict=True):
            position[axis] = int(pixel)
        return replace(self._plane, position=tuple(position))

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        entries = index if isinstance(index, tuple) else (index,)
        outer = [entry for entry in entries if not isinstance(entry, slice)]
        if len(outer) != len(self.axes) or any(
            isinstance(entry, slice) and entry != slice(None) for entry in entries
        ):
            raise IndexError("A stack of planes is read one whole plane at a time.")
        return self._reader.read(self.plane_at(outer))


def layer_array(layer: Image) -> Any:
    """Return the data of a layer at its full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


def layer_shape(layer: Image) -> tuple[int, ...]:
    """Pixels along each axis of a layer, without the samples of a colour picture."""
    shape = tuple(int(n) for n in layer_array(layer).shape)
    return shape[: layer.ndim]


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
        if not _lie_alike(layer, first):
            raise ImageError(
                f"“{layer.name}” and “{first.name}” differ in shape or position, so they "
                "cannot be mixed."
            )
    channels = tuple(
        ChannelChoice(layer.name, color=top_color(layer), weight=float(layer.opacity))
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


def top_color(layer: Image) -> tuple[float, float, float]:
    """Return the colour in which a layer shows its brightest pixels."""
    red, green, blue = (float(v) for v in np.asarray(layer.colormap.colors)[-1][:3])
    return red, green, blue


def _shown_limits(layer: Image) -> tuple[float, float]:
    low, high = layer.contrast_limits
    return float(low), float(high)


def _full_scale(dtype: np.dtype[Any]) -> float:
    """Return the value that a colour picture of this type shows as full colour."""
    return float(np.iinfo(dtype).max) if np.dtype(dtype).kind in "ui" else 1.0


def mixable_layers(layers: Sequence[Image], main: Image | None) -> list[Image]:
    """List the single-channel layers that lie on a layer, or on the first that is one."""
    plain = [layer for layer in layers if not layer.rgb]
    first = main if main in plain else next(iter(plain), None)
    return [layer for layer in plain if first is not None and _lie_alike(layer, first)]


def _lie_alike(a: Image, b: Image) -> bool:
    """Whether two layers lie on one another pixel by pixel."""
    names = ("scale", "translate", "rotate", "shear")
    return (
        layer_shape(a) == layer_shape(b)
        and all(np.allclose(getattr(a, name), getattr(b, name)) for name in names)
        and np.allclose(a.affine.affine_matrix, b.affine.affine_matrix)
    )
