"""What the prompts are, and what an action painted, as values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.plugin.picture.plane import lie_on_plane

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.prompts import Prompts


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """An object that exists and is open to be corrected.

    Parameters
    ----------
    plane : Plane
        Where it is corrected.
    layer : napari Labels layer
        Whose object it is.
    label : int
        Its number, which it keeps.
    mask : Mask
        Its pixels when it was opened; their ``low_res`` is what the model is given.
    """

    plane: Plane
    layer: Any
    label: int
    mask: Mask

    def is_asked(self, prompts: Prompts) -> bool:
        """Whether prompts are those about this object."""
        return prompts.mask is not None and prompts.mask is self.mask.low_res


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All open prompts, on every plane.

    Parameters
    ----------
    points : (N, D) float64
        Data coordinates.
    positive : (N,) bool
        Whether each click is on its object.
    boxes : tuple of (V, D) float64
        The vertices of each box, in data coordinates.
    corrections : tuple of Correction
        Objects that exist and are being corrected, one per plane at most.
    """

    points: NDArray[np.float64]
    positive: NDArray[np.bool_]
    boxes: tuple[NDArray[np.float64], ...] = ()
    corrections: tuple[Correction, ...] = ()

    def correction_on(self, plane: Plane) -> Correction | None:
        """Return the object of a plane that is being corrected, or None."""
        return next((c for c in self.corrections if c.plane == plane), None)

    def equals(self, other: Snapshot) -> bool:
        """Whether two snapshots hold the same prompts."""
        return (
            np.array_equal(self.points, other.points)
            and np.array_equal(self.positive, other.positive)
            and len(self.boxes) == len(other.boxes)
            and all(map(np.array_equal, self.boxes, other.boxes))
            and self.corrections == other.corrections
        )


@dataclass(frozen=True, slots=True, eq=False)
class Paint:
    """Pixels of a label image that one object, made, changed or removed, changed.

    Parameters
    ----------
    layer : napari Labels layer
        Whose pixels.
    indices : tuple of (N,) arrays
        One per axis of the layer.
    before, after : (N,) arrays
        The labels.
    """

    layer: Any
    indices: tuple[NDArray[np.intp], ...]
    before: NDArray[np.integer[Any]]
    after: NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Naming:
    """Classes of a label image's objects that an action changed.

    Parameters
    ----------
    layer : napari Labels layer
    before, after : mapping of int to str
        By label; "" for none.
    """

    layer: Any
    before: Mapping[int, str]
    after: Mapping[int, str]


@dataclass(frozen=True, slots=True, eq=False)
class Lineage:
    """Divisions of a label image's tracks that an action changed.

    Parameters
    ----------
    layer : napari Labels layer
    before, after : mapping of int to int
        The track that each daughter came of.
    """

    layer: Any
    before: Mapping[int, int]
    after: Mapping[int, int]


def keep_inside(prompts: Snapshot, shape: Sequence[int]) -> Snapshot:
    """Return the prompts that touch a picture: points inside it, boxes that overlap it."""
    edge = np.array(shape, dtype=float) - 0.5
    inside = ((prompts.points >= -0.5) & (prompts.points < edge)).all(axis=1)
    boxes = tuple(box for box in prompts.boxes if _overlaps(box, edge))
    return Snapshot(prompts.points[inside], prompts.positive[inside], boxes, prompts.corrections)


def drop_boxes(prompts: Snapshot, boxes: Sequence[NDArray[np.float64]]) -> Snapshot:
    """Return the prompts without some of their boxes."""
    kept = tuple(box for box in prompts.boxes if not any(box is dropped for dropped in boxes))
    return replace(prompts, boxes=kept)


def without_plane(prompts: Snapshot, plane: Plane) -> Snapshot:
    """Return the prompts of all other planes."""
    away = ~lie_on_plane(prompts.points, plane)
    boxes = tuple(box for box in prompts.boxes if not lie_on_plane(box, plane).all())
    corrections = tuple(c for c in prompts.corrections if c.plane != plane)
    return Snapshot(prompts.points[away], prompts.positive[away], boxes, corrections)


def on_plane(prompts: Snapshot, plane: Plane) -> Snapshot:
    """Return the prompts of one plane."""
    here = lie_on_plane(prompts.points, plane)
    boxes = tuple(box for box in prompts.boxes if lie_on_plane(box, plane).all())
    corrections = tuple(c for c in prompts.corrections if c.plane == plane)
    return Snapshot(prompts.points[here], prompts.positive[here], boxes, corrections)


def join(first: Snapshot, second: Snapshot) -> Snapshot:
    """Return the prompts of both."""
    return Snapshot(
        np.concatenate([first.points, second.points]),
        np.concatenate([first.positive, second.positive]),
        (*first.boxes, *second.boxes),
        (*first.corrections, *second.corrections),
    )


def is_empty(prompts: Snapshot) -> bool:
    """Whether there are no prompts at all."""
    return not (len(prompts.points) or prompts.boxes or prompts.corrections)


def _overlaps(box: NDArray[np.float64], edge: NDArray[np.float64]) -> bool:
    low, high = box.min(axis=0), box.max(axis=0)
    flat = low == high  # the axes that the box does not extend along
    along = (high > -0.5) & (low < edge)
    return bool(np.where(flat, (low >= -0.5) & (low < edge), along).all())
