"""Planes of a picture for a model to see, and planes of labels: the two ways in and out.

Whatever walks a stack, shows a plane to a model or writes labels goes through `PlaneSource` and
`PlaneSink`. A plane is named by its index: one position for each of the axes that number the
planes, in the order of ``axes``. A source reads what it is asked for and nothing else; an array
behind it may be in memory, mapped, or lazy (dask, zarr).
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from string import ascii_uppercase
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.regions import Region, shrink, whole_region
from napari_sam_onnx.memory import format_bytes, free_memory
from napari_sam_onnx.pictures.contrast import chunk_shape
from napari_sam_onnx.pictures.image import (
    ImageError,
    check_axes,
    choose_channels,
    measure_open,
    to_rgb,
)
from napari_sam_onnx.pictures.views import check_view, show_view

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.pictures.image import Channel

# Larger regions that are looked at smaller than they are, are read strip by strip.
STRIP_PIXELS = 16_000_000
# Bytes up to which nobody asks whether there is room.
ROOM = 2**28


class PlaneSource(Protocol):
    """Planes of a picture, as a model sees them."""

    @property
    def axes(self) -> str:
        """One letter for each axis that numbers the planes, such as ``"TZ"``; "" for one plane."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """How many planes there are along each of these axes."""
        ...

    @property
    def plane_shape(self) -> tuple[int, int]:
        """``(H, W)``: pixels of a plane."""
        ...

    @property
    def pixel_size(self) -> Mapping[str, float]:
        """Micrometres by axis (Z, Y, X), as far as they are known."""
        ...

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What is shown and how, with contrast limits of the whole picture."""
        ...

    def read(self, index: tuple[int, ...], region: Region | None = None) -> NDArray[np.uint8]:
        """Read a plane, or a region of it at the region's scale.

        Returns
        -------
        (h, w, 3) uint8

        Raises
        ------
        BlankError
            If it holds no finite value.
        """
        ...


class PlaneSink(Protocol):
    """Planes of labels."""

    @property
    def axes(self) -> str:
        """See `PlaneSource.axes`."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """See `PlaneSource.shape`."""
        ...

    @property
    def plane_shape(self) -> tuple[int, int]:
        """``(H, W)``: pixels of a plane."""
        ...

    def read(self, index: tuple[int, ...], region: Region | None = None) -> NDArray[np.uint32]:
        """Read the labels of a plane, or of a region of it, ``(h, w)`` in plane pixels."""
        ...

    def write(
        self, index: tuple[int, ...], labels: NDArray[np.uint32], region: Region | None = None
    ) -> None:
        """Write the labels of a plane, or of a region of it, ``(h, w)`` in plane pixels."""
        ...


class ArrayPlanes:
    """The planes of an array, or of several that are mixed pixel by pixel: a `PlaneSource`.

    Parameters
    ----------
    arrays : array or tuple of arrays
        Any dtype; in memory, mapped, or lazy. Several of one shape are channels.
    axes : str
        One letter for each dimension: Y and X, perhaps C, and others that number the planes.
    channels : sequence of Channel, optional
        See `pictures.image.default_channels`. Contrast limits that are None are measured
        over the whole array, once, when they are first needed.
    pixel_size : mapping of str to float, optional
        Micrometres by axis.
    view : str
        Another way to see the picture, see `napari_sam_onnx.pictures.views.show_view`.
    samples : bool, optional
        Whether C are the samples of a colour picture; where it is the last axis if omitted.

    Raises
    ------
    ImageError
        If the axes or the channels do not fit, the array is empty, or there is no such view.
    """

    def __init__(
        self,
        arrays: Any,
        axes: str,
        channels: Sequence[Channel] | None = None,
        pixel_size: Mapping[str, float] | None = None,
        view: str = "",
        *,
        samples: bool | None = None,
    ) -> None:
        self.view = check_view(view)
        self.arrays: tuple[Any, ...] = arrays if isinstance(arrays, tuple) else (arrays,)
        self.array_axes = check_axes(axes, self.arrays[0].ndim, ascii_uppercase)
        self.pixel_size: Mapping[str, float] = dict(pixel_size or {})
        sizes = dict(zip(self.array_axes, map(int, self.arrays[0].shape), strict=True))
        if 0 in sizes.values():
            raise ImageError(f"The picture is empty: its shape is {tuple(sizes.values())}.")
        self.axes = "".join(axis for axis in self.array_axes if axis not in "YXC")
        self.shape = tuple(sizes[axis] for axis in self.axes)
        self.plane_shape = sizes["Y"], sizes["X"]
        count = len(self.arrays) if len(self.arrays) > 1 else sizes.get("C", 1)
        colour = self.array_axes.endswith("C") if samples is None else samples
        self._channels = choose_channels(self.arrays[0].dtype, count, channels, samples=colour)
        self._lock = Lock()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What is shown, with contrast limits; open ones are measured now and kept."""
        with self._lock:
            if len(self.arrays) == 1:
                self._channels = measure_open(self._channels, self.arrays[0], self.array_axes)
            else:
                self._channels = tuple(
                    measure_open((channel,), self.arrays[channel.index], self.array_axes)[0]
                    for channel in self._channels
                )
            return self._channels

    @property
    def label_axes(self) -> str:
        """Axes of labels for the array, in its order: all but C."""
        return self.array_axes.replace("C", "")

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Shape of labels for the array, see `label_axes`."""
        sizes = dict(zip(self.array_axes, self.arrays[0].shape, strict=True))
        return tuple(int(sizes[axis]) for axis in self.label_axes)

    def read(self, index: tuple[int, ...], region: Region | None = None) -> NDArray[np.uint8]:
        """See `PlaneSource.read`."""
        where = whole_region(self.plane_shape) if region is None else region
        if where.seen_shape == where.shape:
            self._check_room(where)
            return self._show(index, where)
        return self._show_small(index, where)

    def read_values(
        self, index: tuple[int, ...], region: Region | None = None
    ) -> NDArray[np.generic]:
        """Read the values of the channels that are shown, in plane pixels.

        Returns
        -------
        (K, h, w) array
            Of the array's dtype, one plane for each of `channels`.
        """
        where = whole_region(self.plane_shape) if region is None else region
        channels = tuple(channel.index for channel in self._channels)
        if len(self.arrays) > 1:
            return np.stack([self._take(self.arrays[i], index, where, None) for i in channels])
        if "C" not in self.array_axes:
            plane = self._take(self.arrays[0], index, where, None)
            return np.stack([plane] * len(channels))
        chunks = chunk_shape(self.arrays[0])
        if chunks is None or chunks[self.array_axes.index("C")] == 1:
            return np.stack([self._take(self.arrays[0], index, where, i) for i in channels])
        # A chunk that holds several channels is read once for all of them.
        span = slice(min(channels), max(channels) + 1)
        planes = self._take(self.arrays[0], index, where, span)
        return planes[[i - span.start for i in channels]]

    def _take(
        self, array: Any, index: tuple[int, ...], region: Region, channel: int | slice | None
    ) -> NDArray[np.generic]:
        """Read one channel of a region, ``(h, w)``, or a run of them, ``(K, h, w)``."""
        rows, columns = region.slices
        place = dict(zip(self.axes, index, strict=True))
        at = {"Y": rows, "X": columns, "C": channel, **place}
        plane = np.asarray(array[tuple(at[axis] for axis in self.array_axes)])
        kept = [axis for axis in self.array_axes if isinstance(at[axis], slice)]
        return plane.transpose([kept.index(axis) for axis in "CYX" if axis in kept])

    def _check_room(self, region: Region) -> None:
        """Refuse a region that does not fit into memory, before it is read."""
        size = np.dtype(self.arrays[0].dtype).itemsize
        needed = region.area * (3 + 2 * size * len(self._channels))
        if needed > ROOM and needed > free_memory():
            height, width = region.shape
            raise ImageError(
                f"A plane of {height} × {width} pixels needs {format_bytes(needed)} to be shown to "
                f"a model, and {format_bytes(free_memory())} are free; cut or shrink the picture."
            )

    def show(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Show values that were read, ``(K, h, w)``, to a model, ``(h, w, 3)``.

        Raises
        ------
        BlankError
            If they hold no finite value.
        """
        numbered = tuple(replace(channel, index=i) for i, channel in enumerate(self.channels))
        return show_view(to_rgb(values, "CYX", numbered), self.view)

    def _show(self, index: tuple[int, ...], region: Region) -> NDArray[np.uint8]:
        return self.show(self.read_values(index, region))

    def _show_small(self, index: tuple[int, ...], region: Region) -> NDArray[np.uint8]:
        """Shrink a region strip by strip, so that a huge one never lies in memory whole."""
        (height, width), (y0, x0, _, x1) = region.seen_shape, region.box
        ratio = region.shape[0] / height
        step = max(1, int(STRIP_PIXELS / (region.shape[1] * ratio)))
        seen = np.empty((height, width, 3), np.uint8)
        for top in range(0, height, step):
            bottom = min(top + step, height)
            first, last = int(top * ratio), min(ceil(bottom * ratio), region.shape[0])
            strip = self._show(index, Region((y0 + first, x0, y0 + last, x1)))
            rows = top * ratio - first, min(bottom * ratio - first, float(last - first))
            seen[top:bottom] = shrink(strip, (bottom - top, width), rows)
        return seen


class ArrayLabels:
    """The planes of a label image: a `PlaneSink`.

    Parameters
    ----------
    array : array of uint32
        Takes assignment by index: in memory, mapped, zarr.
    axes : str
        One letter for each dimension, Y and X among them. One that is C has a single pixel.
    any_type : bool
        Whether labels may be of another integer type; numbers that it cannot hold are refused.

    Raises
    ------
    LabelError
        If the array is no label image with these axes.
    """

    def __init__(self, array: Any, axes: str, *, any_type: bool = False) -> None:
        if len(axes) != array.ndim or not {"Y", "X"} <= set(axes):
            raise LabelError(f"Labels of the shape {tuple(array.shape)} do not have axes {axes!r}.")
        integer = np.dtype(array.dtype).kind in "ui"
        if np.dtype(array.dtype) != np.uint32 and not (any_type and integer):
            raise LabelError(f"The labels are of the type {array.dtype}; they are to be uint32.")
        self.array, self.array_axes = array, axes
        sizes = dict(zip(axes, map(int, array.shape), strict=True))
        self.axes = "".join(axis for axis in axes if axis not in "YXC")
        self.shape = tuple(sizes[axis] for axis in self.axes)
        self.plane_shape = sizes["Y"], sizes["X"]

    def read(self, index: tuple[int, ...], region: Region | None = None) -> NDArray[np.uint32]:
        """See `PlaneSink.read`."""
        plane: NDArray[np.uint32] = np.asarray(self.array[self._find(index, region)])
        plane = plane.astype(np.uint32, copy=False)
        return plane if self._upright else plane.T

    def write(
        self, index: tuple[int, ...], labels: NDArray[np.uint32], region: Region | None = None
    ) -> None:
        """See `PlaneSink.write`.

        Raises
        ------
        LabelError
            If the type of the labels cannot hold a number.
        """
        kind = np.dtype(self.array.dtype)
        largest = int(labels.max(initial=0))
        if kind != np.uint32 and largest > np.iinfo(kind).max:
            raise LabelError(
                f"The label {largest} does not fit a label image of type {kind}; convert it to "
                "uint32."
            )
        self.array[self._find(index, region)] = labels if self._upright else labels.T

    @property
    def _upright(self) -> bool:
        """Whether rows come before columns."""
        return self.array_axes.index("Y") < self.array_axes.index("X")

    def _find(self, index: tuple[int, ...], region: Region | None) -> tuple[int | slice, ...]:
        rows, columns = (whole_region(self.plane_shape) if region is None else region).slices
        at: dict[str, int | slice] = dict(zip(self.axes, index, strict=True))
        at |= {"Y": rows, "X": columns, "C": 0}
        return tuple(at[axis] for axis in self.array_axes)
