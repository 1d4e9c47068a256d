"""Corrections of a stack's labels: what changes, for the caller to write in its own undoable way.

The labels of a stack are an array whose one axis is z or time and whose objects have one number in
all planes. They may lie on disk: one position of the first axis is read at a time. Nothing is
written here. `parents` are the divisions of tracks, the track that each daughter came of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.labels.label_image import LabelError, check_label

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


def join_objects(labels: Any, kept: int, other: int) -> Change:
    """Make two objects or tracks one.

    Parameters
    ----------
    labels : integer array, in memory or on disk
    kept, other : int
        The number that stays, and the one that goes.
    """
    if kept == other:
        raise LabelError(f"Two objects are joined; {kept} is one.")
    find_object(labels, kept)
    return Change(find_object(labels, other), check_label(kept))


def split_object(labels: Any, label: int, plane: int, new: int, axis: int = 0) -> Change:
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
    places = find_object(labels, label)
    if _is_held(labels, new):
        raise LabelError(f"The number {new} is taken; choose one that is free.")
    change = _take(places, places[axis] >= plane, check_label(new))
    if not 0 < len(change) < len(places[0]):
        raise LabelError(f"Object {label} does not lie on both sides of plane {plane}.")
    return change


def cut_object(labels: Any, label: int, plane: int, *, after: bool, axis: int = 0) -> Change:
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
    places = find_object(labels, label)
    return _take(places, places[axis] > plane if after else places[axis] < plane, 0)


def delete_object(labels: Any, label: int) -> Change:
    """Remove an object from all planes."""
    return Change(find_object(labels, label), 0)


def mark_division(
    labels: Any,
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
        made = {**pass_on(parents, mother, new), new: mother, other: mother}
        return change, made
    for daughter in daughters:
        if begins[daughter] <= begins[mother]:
            raise LabelError(f"Track {daughter} begins before or with its mother {mother}.")
    return None, {**parents, first: mother, second: mother}


def pass_on(parents: Mapping[int, int], label: int, new: int) -> dict[int, int]:
    """Divisions where a track was split: what it divided into came of the later part."""
    return {child: new if parent == label else parent for child, parent in parents.items()}


def join_parents(parents: Mapping[int, int], kept: int, other: int) -> dict[int, int]:
    """Divisions where two tracks were joined: what one of them was to others both are.

    A mother that is joined with a daughter lives on: she did not divide, and the other daughter
    came of nothing that is known.
    """
    mother = next((a for a, b in ((kept, other), (other, kept)) if parents.get(b) == a), None)
    made = {child: parent for child, parent in parents.items() if parent != mother}
    made = pass_on(made, other, kept)
    came_of = made.pop(other, None)
    if came_of is not None:
        made.setdefault(kept, came_of)
    return {child: parent for child, parent in made.items() if child != parent}


def drop_parents(parents: Mapping[int, int], label: int) -> dict[int, int]:
    """Divisions without a track that is gone."""
    return {child: parent for child, parent in parents.items() if label not in (child, parent)}


def find_object(labels: Any, label: int) -> tuple[NDArray[np.intp], ...]:
    """List the voxels of an object, one array for each axis.

    Raises
    ------
    LabelError
        If there are none.
    """
    parts: list[tuple[NDArray[np.intp], ...]] = []
    for first in range(labels.shape[0]) if label else ():
        found = np.nonzero(np.asarray(labels[first]) == label)
        if len(found[0]):
            parts.append((np.full(found[0].shape, first, np.intp), *found))
    if not parts:
        raise LabelError(f"There is no object {label}.")
    return tuple(np.concatenate(along) for along in zip(*parts, strict=True))


def _span(labels: Any, label: int, axis: int) -> tuple[int, int]:
    planes = find_object(labels, label)[axis]
    return int(planes.min()), int(planes.max())


def _is_held(labels: Any, number: int) -> bool:
    return any((np.asarray(labels[first]) == number).any() for first in range(labels.shape[0]))


def _take(places: tuple[NDArray[np.intp], ...], chosen: NDArray[np.bool_], label: int) -> Change:
    return Change(tuple(along[chosen] for along in places), label)
