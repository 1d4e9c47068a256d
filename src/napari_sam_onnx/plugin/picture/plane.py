"""Between a viewer's coordinates and the plane that a model sees.

Pure: arrays in, arrays out, no napari and no Qt. Layers have any number of dimensions; a
model sees one plane of two. Data coordinates are those of the picture's layer, pixel centres
at integers, one value per axis; plane coordinates are ``(y, x)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of a layer.

    Parameters
    ----------
    axes : (row, column)
        The axes of the layer that are the plane's Y and X.
    position : tuple of int
        The pixel along every axis of the layer; 0 along the plane's own.
    slab : tuple of (start, stop)
        Where the viewer shows several planes as one: which, along every axis of the layer.
    """

    axes: tuple[int, int]
    position: tuple[int, ...]
    slab: tuple[tuple[int, int], ...] = ()

    @property
    def slices(self) -> tuple[int | slice, ...]:
        """What to index an array with to get the plane, its axes in the array's order."""
        return tuple(
            slice(None) if axis in self.axes else pixel for axis, pixel in enumerate(self.position)
        )

    @property
    def flipped(self) -> bool:
        """Whether the array's order of the two axes is columns first."""
        return self.axes[0] > self.axes[1]

    @property
    def others(self) -> list[int]:
        """The axes that the plane is one position of."""
        return [axis for axis in range(len(self.position)) if axis not in self.axes]

    def over(self, ndim: int) -> Plane:
        """Return the plane of a layer that lacks leading axes of one pixel, or has more of them."""
        more = ndim - len(self.position)
        if more == 0:
            return self
        row, column = self.axes
        position = (0,) * more + self.position if more > 0 else self.position[-more:]
        return Plane((row + more, column + more), position)


def find_plane(shape: Sequence[int], displayed: Sequence[int], point: ArrayLike) -> Plane | None:
    """Find the plane that a viewer shows.

    Parameters
    ----------
    shape : sequence of int
        Pixels of the layer along each of its axes.
    displayed : (row, column)
        The layer's axes that run down and across the canvas.
    point : (D,) array-like
        The sliders' position in the layer's data coordinates.

    Returns
    -------
    Plane or None
        None where the sliders stand outside the layer, or where not two of its axes are shown.
    """
    if len(displayed) != 2 or min(displayed) < 0 or not np.isfinite(np.asarray(point)).all():
        return None
    rows, columns = (int(axis) for axis in displayed)
    # napari rounds halves to the even pixel
    position = [0 if axis in (rows, columns) else int(np.round(v)) for axis, v in _enumerate(point)]
    if any(not 0 <= pixel < size for pixel, size in zip(position, shape, strict=True)):
        return None
    return Plane((rows, columns), tuple(position))


def round_half_up(value: float) -> int:
    """Round to the nearest pixel, halves up: the pixel whose area holds the coordinate."""
    return int(np.floor(value + 0.5))


def plane_shape(shape: Sequence[int], plane: Plane) -> tuple[int, int]:
    """``(H, W)`` of a plane of a layer."""
    return shape[plane.axes[0]], shape[plane.axes[1]]


def lie_on_plane(points: NDArray[np.float64], plane: Plane) -> NDArray[np.bool_]:
    """Which points lie on a plane.

    Parameters
    ----------
    points : (N, D) float64
        Data coordinates.

    Returns
    -------
    (N,) bool
    """
    others = plane.others
    pixels = np.round(points[:, others])  # as napari shows them
    return np.asarray((pixels == np.array(plane.position)[others]).all(axis=1), dtype=bool)


def to_plane(points: ArrayLike, plane: Plane) -> NDArray[np.float64]:
    """Turn data coordinates ``(N, D)`` into plane coordinates ``(N, 2)``, ``(y, x)``."""
    return np.asarray(points, dtype=float).reshape(-1, len(plane.position))[:, list(plane.axes)]


def from_plane(points: ArrayLike, plane: Plane) -> NDArray[np.float64]:
    """Plane coordinates ``(N, 2)``, ``(y, x)`` -> data coordinates ``(N, D)``."""
    flat = np.asarray(points, dtype=float).reshape(-1, 2)
    data = np.tile(np.array(plane.position, dtype=float), (len(flat), 1))
    data[:, list(plane.axes)] = flat
    return data


def box_corners(vertices: ArrayLike, plane: Plane) -> NDArray[np.float64]:
    """Return the box around a shape, whatever its kind.

    Parameters
    ----------
    vertices : (V, D) array-like
        Data coordinates.

    Returns
    -------
    (4,) float64
        ``(y0, x0, y1, x1)`` in plane coordinates.
    """
    flat = to_plane(vertices, plane)
    return np.concatenate([flat.min(axis=0), flat.max(axis=0)])


def box_vertices(corners: ArrayLike, plane: Plane) -> NDArray[np.float64]:
    """Return the four vertices ``(4, D)`` of a box ``(y0, x0, y1, x1)``, in data coordinates."""
    y0, x0, y1, x1 = np.asarray(corners, dtype=float)
    return from_plane([(y0, x0), (y0, x1), (y1, x1), (y1, x0)], plane)


def pixel_indices(
    rows: NDArray[np.intp], columns: NDArray[np.intp], plane: Plane
) -> tuple[NDArray[np.intp], ...]:
    """Pixels of a plane -> one index array per axis of the layer."""
    along = {plane.axes[0]: rows, plane.axes[1]: columns}
    return tuple(
        along[axis] if axis in along else np.full(rows.shape, pixel, dtype=np.intp)
        for axis, pixel in enumerate(plane.position)
    )


def plane_index(plane: Plane, rows: slice, columns: slice) -> tuple[int | slice, ...]:
    """Return what to index an array with to get a part of a plane, axes in the array's order."""
    along = {plane.axes[0]: rows, plane.axes[1]: columns}
    return tuple(along.get(axis, pixel) for axis, pixel in enumerate(plane.position))


def take_plane(array: NDArray[T], plane: Plane) -> NDArray[T]:
    """Return one plane of an array, ``(H, W)``; a view where the array allows, see `Plane.over`."""
    flat = array[plane.over(array.ndim).slices]
    return flat.T if plane.flipped else flat


def _enumerate(point: ArrayLike) -> list[tuple[int, float]]:
    return [(axis, float(value)) for axis, value in enumerate(np.asarray(point, dtype=float))]
