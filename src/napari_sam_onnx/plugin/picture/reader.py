"""A frozen picture that planes are read from, as a model is shown them, in any thread.

A `Reader` keeps the contrast limits of the moment in which it was made, so a worker thread reads
from it while the viewer goes on changing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count, product
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.masks.regions import Region, shrink, whole_region
from napari_sam_onnx.pictures.projection import project
from napari_sam_onnx.planes import ArrayPlanes
from napari_sam_onnx.plugin.picture.plane import Plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.planes import PlaneSource

_versions = count(1)

# Letters for the axes beside Y, X and C, the last axis first.
_OTHERS = "ZTSRQPONMLKJIHGFEDBAUVW"


@dataclass(slots=True, eq=False)
class Reader:
    """A frozen picture that planes are read from, in any thread.

    Parameters
    ----------
    arrays : tuple of arrays
        The data of the layers, lazy where they are.
    shape : tuple of int
        See `napari_sam_onnx.plugin.picture.picture.Picture`.
    channels : tuple of Channel
        Limits that are None are measured on the whole array when first needed.
    channel_axis : int or None
        See `Picture`.
    rgb : bool
        Whether the array has red, green and blue along one more, last axis.
    modes : tuple of str
        How each layer shows several planes as one, see `napari_sam_onnx.plugin.picture.slab`.
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
