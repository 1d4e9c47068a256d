"""Corrections of a stack's labels: what changes, for the caller to write in its own undoable way.

The labels of a stack are an array whose one axis is z or time and whose objects have one number in
all planes. Nothing is written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.labels import LabelError, check_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Voxels that get another number.

    Parameters
    ----------
    places : tuple of (N,) intp
        One array for each axis of the labels, as indexing takes them.
    label : int
        Their new number; 0 removes them.
    """

    places: tuple[NDArray[np.intp], ...]
    label: int

    def __len__(self) -> int:
        return len(self.places[0]) if self.places else 0


def join_objects(labels: NDArray[np.integer], kept: int, other: int) -> Change:
    """Make two objects or tracks one.

    Parameters
    ----------
    labels : integer array
    kept, other : int
        The number that stays, and the one that goes.
    """
    if kept == other:
        raise LabelError(f"Two objects are joined; {kept} is one.")
    _check_there(labels, kept)
    return _change(_check_there(labels, other), check_label(kept))


def split_object(
    labels: NDArray[np.integer], label: int, plane: int, new: int, axis: int = 0
) -> Change:
    """Make an object two: from a plane or frame on it gets a new number.

    Parameters
    ----------
    labels : integer array
    label : int
    plane : int
        The first plane of the new object.
    new : int
        A number that is free.
    axis : int
        Of the planes.

    Raises
    ------
    LabelError
        If the object does not lie on both sides of the plane's beginning, or ``new`` is taken.
    """
    mask = _check_there(labels, label)
    if (labels == new).any():
        raise LabelError(f"The number {new} is taken; choose one that is free.")
    change = _change(mask & _from_plane(labels, plane, axis), check_label(new))
    if not 0 < len(change) < np.count_nonzero(mask):
        raise LabelError(f"Object {label} does not lie on both sides of plane {plane}.")
    return change


def cut_object(
    labels: NDArray[np.integer], label: int, plane: int, *, after: bool, axis: int = 0
) -> Change:
    """Remove an object beyond a plane or frame, which keeps it.

    Parameters
    ----------
    labels : integer array
    label : int
    plane : int
        The last plane that keeps the object (the first one, unless ``after``).
    after : bool
        Whether what comes after the plane goes, or what comes before it.
    axis : int
        Of the planes.
    """
    mask = _check_there(labels, label)
    beyond = _from_plane(labels, plane + 1, axis) if after else ~_from_plane(labels, plane, axis)
    return _change(mask & beyond, 0)


def delete_object(labels: NDArray[np.integer], label: int) -> Change:
    """Remove an object from all planes."""
    return _change(_check_there(labels, label), 0)


def mark_division(
    labels: NDArray[np.integer],
    mother: int,
    daughters: tuple[int, int],
    new: int,
    parents: Mapping[int, int],
    axis: int = 0,
) -> tuple[Change | None, dict[int, int]]:
    """Say that a track divides into two.

    Parameters
    ----------
    labels : integer array
        Of tracks.
    mother : int
    daughters : (int, int)
        Two tracks; one of them may be the mother's own number, where that went on with one of the
        daughters.
    new : int
        A free number, for the daughter that had the mother's.
    parents : mapping of int to int
        Divisions so far.
    axis : int
        Of time.

    Returns
    -------
    change : Change or None
        What gets the new number, if a daughter had the mother's.
    parents : dict
        Divisions from now on.

    Raises
    ------
    LabelError
        If a daughter begins before the mother does, or an object divides into itself.
    """
    first, second = daughters
    if first == second:
        raise LabelError("A division has two daughters; name two tracks.")
    begins = {label: _span(labels, label, axis)[0] for label in {mother, *daughters}}
    if mother in daughters:
        other = second if first == mother else first
        if begins[other] <= begins[mother]:
            raise LabelError(f"Track {other} begins before or with its mother {mother}.")
        change = split_object(labels, mother, begins[other], new, axis)
        made = {**_pass_on(parents, mother, new), new: mother, other: mother}
        return change, made
    for daughter in daughters:
        if begins[daughter] <= begins[mother]:
            raise LabelError(f"Track {daughter} begins before or with its mother {mother}.")
    return None, {**parents, first: mother, second: mother}


def _pass_on(parents: Mapping[int, int], mother: int, new: int) -> dict[int, int]:
    """Divisions of what had the mother's number are those of the daughter that goes on with it."""
    return {child: new if parent == mother else parent for child, parent in parents.items()}


def _span(labels: NDArray[np.integer], label: int, axis: int) -> tuple[int, int]:
    mask = _check_there(labels, label)
    planes = np.flatnonzero(np.moveaxis(mask, axis, 0).reshape(mask.shape[axis], -1).any(axis=1))
    return int(planes[0]), int(planes[-1])


def _check_there(labels: NDArray[np.integer], label: int) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = labels == label
    if label == 0 or not mask.any():
        raise LabelError(f"There is no object {label}.")
    return mask


def _from_plane(labels: NDArray[np.integer], plane: int, axis: int) -> NDArray[np.bool_]:
    shape = [1] * labels.ndim
    shape[axis] = labels.shape[axis]
    return np.arange(labels.shape[axis]).reshape(shape) >= plane


def _change(mask: NDArray[np.bool_], label: int) -> Change:
    return Change(tuple(np.nonzero(mask)), label)
