"""The label image that objects are committed to.

Every change goes through napari's own history of the layer, as one step, so that the user's
Ctrl+Z on that layer works as well. Undoing from here writes back only the pixels that still
hold what was committed: what the user painted meanwhile stays.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_sam_onnx.errors import UserError
from napari_sam_onnx.labels.label_image import check_fits, commit_mask
from napari_sam_onnx.labels.label_store import make_labels
from napari_sam_onnx.plugin.layers.snapshot import Paint
from napari_sam_onnx.plugin.picture.geometry import MARK, geometry_of, role_of
from napari_sam_onnx.plugin.picture.plane import Plane, pixel_indices, plane_index, take_plane

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.picture.picture import Picture


QUICK_PIXELS = 64_000_000
"""Label images in memory up to this size are searched whole for an object."""


class TargetError(UserError, ValueError):
    """A commit that cannot be done; the message says why and what to do."""


class NoObjectError(TargetError):
    """Nothing lies where something was asked for: nothing is lost, and nobody is to be alarmed."""


def make_target(picture: Picture, name: str, labels: Any = None, **metadata: Any) -> Labels:
    """Make a Labels layer that lies on a picture.

    Parameters
    ----------
    picture : Picture
    name : str
    labels : array of unsigned int, optional
        Of the picture's shape. Zeros where omitted: on disk where they are too large for memory,
        see `labels.label_store.make_labels`; the layer's name says so, and `place_of`
        where.
    **metadata
        Kept with the layer, under our mark.

    Raises
    ------
    LabelError
        If they can be kept nowhere.
    """
    place = None
    if labels is None:
        labels, place = make_labels(picture.shape)
    mark = {"role": "labels", **metadata}
    if place is not None:
        mark["place"], name = str(place), f"{name} (on disk)"
    return Labels(labels, name=name, metadata={MARK: mark}, **geometry_of(picture))


def place_of(layer: Labels) -> Path | None:
    """Return the zarr folder that holds a layer's labels, or None where they are in memory."""
    mark = layer.metadata.get(MARK)
    place = mark.get("place") if isinstance(mark, dict) else None
    return None if place is None else Path(place)


def let_go_of_drawing(layer: Any) -> bool:
    """Let go of what napari drew of labels on disk that left the viewer, 80 MB for 4096 × 4096.

    They may come back by undo, and are read again then: whoever inserts them refreshes them.

    Returns
    -------
    bool
        Whether there was anything to let go of.
    """
    if not isinstance(layer, Labels) or isinstance(layer.data, np.ndarray):
        return False
    keeper = getattr(layer, "_slicing_state", layer)
    drawn = getattr(keeper, "_slice", None)
    make_empty = getattr(type(drawn), "make_empty", None)
    if drawn is None or make_empty is None:  # this napari keeps it elsewhere
        return False
    kind = drawn.image.view.dtype
    keeper._slice = make_empty(slice_input=drawn.slice_input, rgb=False, dtype=kind)
    return True


def check_target(layer: Labels, picture: Picture) -> None:
    """Refuse a Labels layer that the picture's objects cannot be written to.

    Raises
    ------
    TargetError
        If the shapes differ.
    """
    shape = tuple(int(n) for n in layer.data.shape)
    if not _lies_on(shape, picture.shape):
        raise TargetError(
            f"“{layer.name}” is {_size(shape)} but the picture is {_size(picture.shape)}; "
            "choose labels of the same shape, or new ones."
        )


def can_be_target(layer: Any, picture: Picture) -> bool:
    """Whether a layer is a label image of the user's or ours that fits a picture."""
    return (
        isinstance(layer, Labels)
        and not layer.multiscale
        and role_of(layer) != "preview"
        and _lies_on(tuple(layer.data.shape), picture.shape)
    )


def _lies_on(shape: tuple[int, ...], picture: tuple[int, ...]) -> bool:
    """Whether labels have a pixel for each of a picture, leading axes of one pixel apart."""
    more = len(shape) - len(picture)
    ours, theirs = (shape[more:], picture) if more >= 0 else (shape, picture[-more:])
    rest = shape[:more] if more > 0 else picture[:-more]
    return ours == theirs and len(ours) >= 2 and all(n == 1 for n in rest)


def paint_mask(layer: Labels, mask: Mask, plane: Plane, label: int, overwrite: bool) -> Paint:
    """Write an object into a label image, as one step of the layer's history.

    Parameters
    ----------
    layer : napari Labels layer
    mask : Mask
        The object, on the plane.
    plane : Plane
        Of the picture, see `Plane.over`.
    label : int
        The object's number.
    overwrite : bool
        Whether pixels that have another label already are taken as well.

    Raises
    ------
    TargetError
        If nothing is left to paint.
    LabelError
        If the layer's type cannot hold the number.
    """
    if not mask:
        raise TargetError("The mask is empty; move or add a point.")
    plane = plane.over(layer.data.ndim)
    if isinstance(layer.data, np.ndarray):
        labels, (top, left) = take_plane(layer.data, plane), (0, 0)
        rows, columns = commit_mask(labels, mask, label, overwrite)
    else:  # a whole plane of labels on disk is large
        labels, (top, left) = LabelledPlane(layer, plane)[mask.slices], mask.origin
        part = replace(mask, shape=mask.pixels.shape, origin=(0, 0))
        rows, columns = commit_mask(labels, part, label, overwrite)
    if not rows.size:
        raise TargetError(
            "Every pixel of this object is labelled already; tick “Overwrite” to replace labels."
        )
    before = labels[rows, columns]
    indices = pixel_indices(rows + top, columns + left, plane)
    return _write(layer, indices, before, np.full(before.shape, label, before.dtype))


def replace_object(layer: Labels, mask: Mask, plane: Plane, label: int) -> Paint | None:
    """Give an object of a label image another outline on a plane, as one step of its history.

    Its number, and with it its features and colour, stays; so do the other objects. None where it
    has that outline already.
    """
    plane = plane.over(layer.data.ndim)
    labels = np.asarray(take_plane(layer.data, plane))
    wanted = np.zeros(labels.shape, bool)
    wanted[mask.slices] = mask.crop
    old = labels == label
    rows, columns = np.nonzero(wanted != old)
    if not rows.size:
        return None
    before = labels[rows, columns].copy()
    after = np.where(wanted[rows, columns], label, 0).astype(labels.dtype)
    return _write(layer, pixel_indices(rows, columns, plane), before, after)


def rewrite_objects(
    layer: Labels, plane: Plane, old: Sequence[int], new: Mapping[int, Mask]
) -> Paint:
    """Write objects instead of others on a plane, as one step of the layer's history.

    Parameters
    ----------
    layer : napari Labels layer
    plane : Plane
    old : sequence of int
        Objects that go.
    new : mapping of int to Mask
        Objects that come, by their numbers. They keep off the pixels of all other objects.

    Raises
    ------
    TargetError
        If nothing changes.
    LabelError
        If the layer's type cannot hold a number.
    """
    labels = np.asarray(take_plane(layer.data, plane))
    for label in new:
        check_fits(label, labels.dtype)
    gone = np.isin(labels, list(old))
    rows, columns = np.flatnonzero(gone.any(axis=1)), np.flatnonzero(gone.any(axis=0))
    boxes = [mask.bbox for mask in new.values() if mask]
    if rows.size:
        boxes.append((int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1))
    if not boxes:
        raise TargetError("There is nothing to change.")
    y0, x0 = np.min(boxes, axis=0)[:2]
    y1, x1 = np.max(boxes, axis=0)[2:]
    part = labels[y0:y1, x0:x1]
    written = np.where(gone[y0:y1, x0:x1], 0, part)
    for label, mask in new.items():
        (top, left), (height, width) = mask.origin, mask.pixels.shape
        there = written[top - y0 : top - y0 + height, left - x0 : left - x0 + width]
        there[mask.crop & (there == 0)] = label
    inside_rows, inside_columns = np.nonzero(written != part)
    if not inside_rows.size:
        raise TargetError("There is nothing to change.")
    before = part[inside_rows, inside_columns].copy()
    after = written[inside_rows, inside_columns]
    return _write(layer, pixel_indices(inside_rows + y0, inside_columns + x0, plane), before, after)


def rewrite_plane(layer: Labels, plane: Plane, written: NDArray[np.integer]) -> Paint:
    """Write other labels on a plane, ``(H, W)``, as one step of the layer's history.

    Raises
    ------
    TargetError
        If nothing changes.
    """
    labels = np.asarray(take_plane(layer.data, plane))
    rows, columns = np.nonzero(labels != written)
    if not rows.size:
        raise TargetError("There is nothing to change.")
    before = labels[rows, columns].copy()
    after = written[rows, columns].astype(labels.dtype)
    return _write(layer, pixel_indices(rows, columns, plane), before, after)


def erase_object(layer: Labels, plane: Plane, label: int, whole: bool) -> tuple[Paint, bool]:
    """Remove an object, as one step of the layer's history.

    Parameters
    ----------
    layer : napari Labels layer
    plane : Plane
    label : int
    whole : bool
        From all planes, or from that one.

    Returns
    -------
    paint : Paint
    elsewhere : bool
        Whether the object is left on other planes.
    """
    plane = plane.over(layer.data.ndim)
    if whole:
        indices = _find_pixels(layer.data, label)
    else:
        rows, columns = np.nonzero(np.asarray(take_plane(layer.data, plane)) == label)
        indices = pixel_indices(rows, columns, plane)
    before = np.full(indices[0].shape, label, layer.data.dtype)
    paint = _write(layer, indices, before, np.zeros_like(before))
    return paint, not whole and _is_near(layer.data, plane, label)


def label_at(layer: Labels, plane: Plane, pixel: tuple[int, int]) -> int:
    """Return the label of a plane's pixel; 0 outside the plane."""
    plane = plane.over(layer.data.ndim)
    height, width = (int(layer.data.shape[axis]) for axis in plane.axes)
    y, x = pixel
    if not (0 <= y < height and 0 <= x < width):
        return 0
    return int(np.asarray(layer.data[plane_index(plane, slice(y, y + 1), slice(x, x + 1))]).item())


def read_plane(layer: Labels, plane: Plane) -> NDArray[np.integer]:
    """Return the labels of a plane, ``(H, W)``."""
    return np.asarray(take_plane(layer.data, plane))


class LabelledPlane:
    """A plane of a label image of which only the parts that are asked for are read."""

    def __init__(self, layer: Labels, plane: Plane) -> None:
        self._data, self._plane = layer.data, plane.over(layer.data.ndim)

    def __getitem__(self, part: tuple[slice, slice]) -> NDArray[np.integer]:
        read = np.asarray(self._data[plane_index(self._plane, *part)])
        return read.T if self._plane.flipped else read


def revert(paint: Paint) -> int:
    """Undo a change where the pixels still hold it; returns how many did."""
    return _exchange(paint, paint.after, paint.before)


def repeat(paint: Paint) -> int:
    """Redo a change where the pixels are still as before it; returns how many were."""
    return _exchange(paint, paint.before, paint.after)


def _exchange(paint: Paint, old: NDArray[Any], new: NDArray[Any]) -> int:
    held = np.asarray(paint.layer.data[paint.indices]) == old
    if held.any():
        indices = tuple(along[held] for along in paint.indices)
        paint.layer.data_setitem(indices, new[held])
    return int(held.sum())


def _write(
    layer: Labels,
    indices: tuple[NDArray[np.intp], ...],
    before: NDArray[Any],
    after: NDArray[Any],
) -> Paint:
    layer.data_setitem(indices, after)
    return Paint(layer, indices, before, after)


def _find_pixels(data: Any, label: int) -> tuple[NDArray[np.intp], ...]:
    """List the pixels of an object, reading one position of the first axis at a time."""
    if isinstance(data, np.ndarray) or len(data.shape) < 3:
        return np.nonzero(np.asarray(data) == label)
    parts = []
    for first in range(data.shape[0]):
        found = np.nonzero(np.asarray(data[first]) == label)
        parts.append((np.full(found[0].shape, first, np.intp), *found))
    return tuple(np.concatenate(along) for along in zip(*parts, strict=True))


def _is_near(data: Any, plane: Plane, label: int) -> bool:
    """Whether an object is on other planes: on any in memory, else on those next to this one."""
    if isinstance(data, np.ndarray) and data.size <= QUICK_PIXELS:
        return bool((data == label).any())
    for axis in plane.others:
        for step in (-1, 1):
            position = list(plane.position)
            position[axis] += step
            if 0 <= position[axis] < data.shape[axis]:
                there = take_plane(data, Plane(plane.axes, tuple(position)))
                if bool((np.asarray(there) == label).any()):
                    return True
    return False


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape)
