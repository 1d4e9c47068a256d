"""What the model sees: one image layer, one of its axes as channels, or several layers mixed.

A `Picture` is what the user chose and speaks of live layers. A `Reader` is a snapshot of it,
with the contrast limits of that moment, which a worker thread can read planes from while the
viewer goes on changing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count, product
from threading import Lock
from typing import TYPE_CHECKING, Any
from zlib import adler32

import numpy as np

from napari_sam_onnx.masks.regions import Region, shrink, whole_region
from napari_sam_onnx.pictures.image import CHANNEL_COLORS, WHITE, Channel, ImageError
from napari_sam_onnx.planes import ArrayPlanes
from napari_sam_onnx.plugin.layers.plane import Plane
from napari_sam_onnx.plugin.layers.slab import project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_sam_onnx.planes import PlaneSource

RGB = tuple(Channel(i, CHANNEL_COLORS[i]) for i in range(3))

RAMP = 33
"""Colours that stand for a colormap which is more than one colour."""

_versions = count(1)

# Letters for the axes beside Y, X and C, the last axis first.
_OTHERS = "ZTSRQPONMLKJIHGFEDBAUVW"


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
            limits = _shown_limits(layer)
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
    modes : tuple of str
        How each layer shows several planes as one, see `napari_sam_onnx.plugin.layers.slab`.
    view : str
        See `Picture`.
    levels : tuple of arrays
        Smaller copies of a single layer's data, each smaller than the one before it.
    """

    arrays: tuple[Any, ...]
    shape: tuple[int, ...]
    channels: tuple[Channel, ...]
    channel_axis: int | None = None
    rgb: bool = False
    modes: tuple[str, ...] = ("none",)
    view: str = ""
    levels: tuple[Any, ...] = ()
    version: int = field(default_factory=lambda: next(_versions))
    _sources: dict[tuple[int, int], ArrayPlanes] = field(default_factory=dict)
    _lock: Any = field(default_factory=Lock)

    def planes(self, axes: tuple[int, int]) -> ArrayPlanes:
        """Return all planes that two of the layer's axes run through, as one source.

        Parameters
        ----------
        axes : (row, column)
            The axes of the layer that are a plane's Y and X.
        """
        with self._lock:
            if axes not in self._sources:
                named = name_axes(len(self.shape), axes, self.channel_axis)
                made = ArrayPlanes(
                    self.arrays, named + "C" * self.rgb, self.channels, view=self.view
                )
                self._sources[axes] = made
            return self._sources[axes]

    def read(self, plane: Plane, region: Region | None = None) -> NDArray[np.uint8]:
        """Show one plane, or a region of it, to a model: ``(h, w, 3)`` uint8 RGB."""
        source = self.planes(plane.axes)
        self.channels = source.channels  # the same limits from every side
        if not plane.slab:
            small = None if region is None else self._read_small(plane, region)
            return source.read(self.index_of(plane), region) if small is None else small
        where = whole_region(source.plane_shape) if region is None else region
        rows = [self._project(source, plane, number, where) for number in range(len(self.channels))]
        return shrink(source.show(np.stack(rows)), where.seen_shape)

    def _read_small(self, plane: Plane, region: Region) -> NDArray[np.uint8] | None:
        """Read a region that is looked at smaller from the smallest copy that shows as much.

        None where there is none but the full resolution.
        """
        from PIL import Image

        sides = np.array([self.shape[axis] for axis in plane.axes], float)
        for level in reversed(self.levels):
            ratio = sides / [int(level.shape[axis]) for axis in plane.axes]
            if ratio.min() <= 1 or ratio.max() * region.scale > 1 + 1e-6:
                continue
            place = np.reshape(region.box, (2, 2)) / ratio
            first = np.floor(place[0] + 1e-9).astype(int)
            last = np.minimum(np.ceil(place[1] - 1e-9), sides / ratio).astype(int)
            named = name_axes(len(self.shape), plane.axes, self.channel_axis)
            planes = ArrayPlanes(level, named + "C" * self.rgb, self.channels, view=self.view)
            outer = self.outer_axes(plane.axes)
            index = tuple(
                min(int(at * level.shape[axis] / self.shape[axis]), int(level.shape[axis]) - 1)
                for at, axis in zip(self.index_of(plane), outer, strict=True)
            )
            y0, x0, y1, x1 = (int(edge) for edge in (*first, *last))
            rgb = planes.read(index, Region((y0, x0, y1, x1)))
            (top, left), (bottom, right) = place - first
            height, width = region.seen_shape
            box = left, top, min(right, float(rgb.shape[1])), min(bottom, float(rgb.shape[0]))
            shown = Image.fromarray(rgb).resize((width, height), Image.Resampling.BOX, box)
            return np.asarray(shown)
        return None

    def _project(
        self, source: ArrayPlanes, plane: Plane, number: int, region: Region
    ) -> NDArray[np.generic]:
        """Make one plane of those that the viewer shows as one, for one channel."""
        mode = self.modes[self.channels[number].index if len(self.arrays) > 1 else 0]
        if mode == "none":
            values: NDArray[np.generic] = source.read_values(self.index_of(plane), region)[number]
            return values
        spans = [range(*plane.slab[axis]) for axis in self.outer_axes(plane.axes)]
        return project((source.read_values(at, region)[number] for at in product(*spans)), mode)

    def seen_as(self, channels: Sequence[Channel] | None, view: str) -> Reader:
        """Return the same picture seen another way.

        Parameters
        ----------
        channels : sequence of Channel or None
            Some of `channels`, by index, in other colours; limits and gamma stay. None: all.
        view : str
            See `Picture`.
        """
        chosen = self.channels
        if channels is not None:
            known = {channel.index: channel for channel in self.channels}
            chosen = tuple(
                replace(known[c.index], color=c.color, weight=c.weight, ramp=c.ramp)
                for c in channels
            )
        return Reader(
            self.arrays,
            self.shape,
            chosen,
            self.channel_axis,
            self.rgb,
            self.modes,
            view,
            self.levels,
        )

    def as_shown(self, plane: Plane) -> PlaneSource:
        """Return a source whose planes are read as the viewer shows this one, thick or not."""
        return _Shown(self, plane) if plane.slab else self.planes(plane.axes)

    def index_of(self, plane: Plane) -> tuple[int, ...]:
        """Return the index of a plane among `planes`."""
        return tuple(plane.position[axis] for axis in self.outer_axes(plane.axes))

    def plane_at(self, axes: tuple[int, int], index: Sequence[int]) -> Plane:
        """Return the plane that has an index among `planes`."""
        position = [0] * len(self.shape)
        for axis, pixel in zip(self.outer_axes(axes), index, strict=True):
            position[axis] = int(pixel)
        return Plane(axes, tuple(position))

    def outer_axes(self, axes: tuple[int, int]) -> list[int]:
        """List the layer's axes that number its planes, in their order."""
        return [i for i in range(len(self.shape)) if i not in (*axes, self.channel_axis)]


class _Shown:
    """The planes of a reader in which one is a thick slice: a `PlaneSource`."""

    def __init__(self, reader: Reader, plane: Plane) -> None:
        planes = reader.planes(plane.axes)
        self._reader, self._plane, self._planes = reader, plane, planes
        self.axes, self.shape, self.plane_shape = planes.axes, planes.shape, planes.plane_shape
        self.pixel_size = planes.pixel_size

    @property
    def channels(self) -> tuple[Channel, ...]:
        """See `PlaneSource.channels`."""
        return self._planes.channels

    def read(self, index: tuple[int, ...], region: Region | None = None) -> NDArray[np.uint8]:
        """See `PlaneSource.read`."""
        plane = self._reader.plane_at(self._plane.axes, index)
        shown = plane.position == self._plane.position
        return self._reader.read(self._plane if shown else plane, region)


def name_axes(ndim: int, axes: tuple[int, int], channel_axis: int | None = None) -> str:
    """Name the axes of a layer as a source of planes knows them.

    Parameters
    ----------
    ndim : int
    axes : (row, column)
        Named Y and X.
    channel_axis : int or None
        Named C.

    Returns
    -------
    str
        One letter per axis; the last of the others is Z, the one before it T.
    """
    named = {axes[0]: "Y", axes[1]: "X", channel_axis: "C"}
    others = [axis for axis in range(ndim) if axis not in named]
    named |= dict(zip(reversed(others), _OTHERS, strict=False))
    return "".join(named[axis] for axis in range(ndim))


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


def _as_shown(channel: Channel, layer: Image) -> Channel:
    """Show the one channel of a layer by its limits and gamma, and by its colormap if that is gray.

    (Colours of a single channel tell a model nothing that its intensities do not.)
    """
    ramp = ramp_of(layer)
    gray = all(max(color) - min(color) < 0.02 for color in ramp)
    limits, gamma = _shown_limits(layer), float(layer.gamma)
    return replace(channel, limits=limits, gamma=gamma, ramp=ramp if gray else ())


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
    return [layer for layer in plain if first is not None and lie_alike(layer, first)]


def lie_alike(a: Image, b: Image) -> bool:
    """Whether two layers lie on one another pixel by pixel."""
    names = ("scale", "translate", "rotate", "shear")
    return (
        layer_shape(a) == layer_shape(b)
        and all(np.allclose(getattr(a, name), getattr(b, name)) for name in names)
        and np.allclose(a.affine.affine_matrix, b.affine.affine_matrix)
    )
