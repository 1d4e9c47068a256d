"""Which of a plane's prompts belong to which object. Pure: prompts in, prompts out.

A box is an object of its own, and the clicks inside it belong to it. All other clicks on objects
are one object together or, where each click is meant as one, each its own. A background click
outside all boxes belongs to the object that is nearest to it. Where an object that exists is being
corrected, all clicks outside the boxes correct it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.plugin.layers.snapshot import Snapshot, drop_boxes
from napari_sam_onnx.plugin.picture.plane import box_corners, box_vertices, lie_on_plane, to_plane
from napari_sam_onnx.prompts import NEGATIVE, POSITIVE, Prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.plugin.picture.plane import Plane

TIGHTER = 0.05
"""Part of its side by which the box of a lasso is tighter than the lasso, on each side."""

SAME_BOX = 0.5
"""A box that overlaps another one with at least this IoU is the same box, drawn again."""


def split_objects(prompts: Snapshot, plane: Plane, each_click: bool = False) -> tuple[Prompts, ...]:
    """Group the prompts of a plane by object.

    Parameters
    ----------
    prompts : Snapshot
        All open prompts.
    plane : Plane
    each_click : bool
        Whether every click on an object outside the boxes is an object of its own.

    Returns
    -------
    tuple of Prompts
        In plane pixels, in the order in which the objects were begun: boxes first, then clicks.
        None where there are background clicks alone.
    """
    points, signs, boxes, owners = _assign(prompts, plane, each_click)
    here = [box for box in prompts.boxes if lie_on_plane(box, plane).all()]
    objects = [
        Prompts(points[owners == number], signs[owners == number], box_of(shape, plane))
        for number, shape in enumerate(here)
    ]
    corrected = prompts.correction_on(plane)
    if corrected is not None:
        own = owners == len(boxes)
        return (*objects, Prompts(points[own], signs[own], None, corrected.mask.low_res))
    loose = np.unique(owners[owners >= len(boxes)])
    objects += [Prompts(points[owners == n], signs[owners == n]) for n in loose]
    return tuple(objects)


def without_objects(
    prompts: Snapshot, plane: Plane, each_click: bool, numbers: Sequence[int]
) -> Snapshot:
    """Return the prompts without those of some objects of a plane, by position in its objects."""
    _, _, boxes, owners = _assign(prompts, plane, each_click)
    if prompts.correction_on(plane) is None:
        kinds = [*range(len(boxes)), *map(int, np.unique(owners[owners >= len(boxes)]))]
    else:
        kinds = list(range(len(boxes) + 1))
    gone = {kinds[number] for number in numbers}
    kept = np.ones(len(prompts.points), bool)
    kept[lie_on_plane(prompts.points, plane)] = [owner not in gone for owner in owners]
    here = [box for box in prompts.boxes if lie_on_plane(box, plane).all()]
    dropped = [box for number, box in enumerate(here) if number in gone]
    corrections = tuple(
        c for c in prompts.corrections if c.plane != plane or len(boxes) not in gone
    )
    return Snapshot(
        prompts.points[kept],
        prompts.positive[kept],
        tuple(box for box in prompts.boxes if not any(box is d for d in dropped)),
        corrections,
    )


def box_of(shape: ArrayLike, plane: Plane) -> NDArray[np.float64]:
    """Return the box ``(y0, x0, y1, x1)`` that a shape gives to a model.

    A rectangle is that box. A lasso was drawn roughly around its object, so the box is a little
    tighter than the lasso; as a mask the lasso would be taken for the outline, which it is not.
    """
    corners = box_corners(shape, plane)
    if len(np.asarray(shape)) == 4:
        return corners
    inward = TIGHTER * (corners[2:] - corners[:2])
    return np.concatenate([corners[:2] + inward, corners[2:] - inward])


def has_points(prompts: Snapshot, plane: Plane) -> bool:
    """Whether there are clicks on a plane, of either sign."""
    return bool(lie_on_plane(prompts.points, plane).any())


def is_same_box(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether two boxes ``(y0, x0, y1, x1)`` are meant as one, see `SAME_BOX`."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared
    return union > 0 and shared / union >= SAME_BOX


def place_box(
    corners: ArrayLike, prompts: Snapshot, plane: Plane
) -> tuple[NDArray[np.float64], Snapshot]:
    """Return a box's vertices, and the prompts without one that it was drawn over."""
    vertices = box_vertices(corners, plane)
    corrected = box_corners(vertices, plane)
    drawn_over = [
        box
        for box in prompts.boxes
        if lie_on_plane(box, plane).all() and is_same_box(box_corners(box, plane), corrected)
    ]
    return vertices, drop_boxes(prompts, drawn_over)


def _assign(prompts: Snapshot, plane: Plane, each_click: bool) -> tuple[Any, Any, Any, Any]:
    """Return a plane's points, signs, boxes, and the number of each point's object."""
    here = lie_on_plane(prompts.points, plane)
    points = to_plane(prompts.points[here], plane)
    signs = prompts.positive[here].astype(np.int64)
    boxes = [box_corners(box, plane) for box in prompts.boxes if lie_on_plane(box, plane).all()]
    corrects = prompts.correction_on(plane) is not None
    return points, signs, boxes, _find_owners(points, signs, boxes, each_click, corrects)


def _find_owners(
    points: NDArray[np.float64],
    signs: NDArray[np.int64],
    boxes: list[NDArray[np.float64]],
    each_click: bool,
    corrects: bool,
) -> NDArray[np.int64]:
    """Find each point's object: boxes are numbered from 0, loose clicks after them; -1: none."""
    owners = np.full(len(points), -1)
    alone = len(boxes) == 1 and not each_click  # clicks beside the one box correct it
    for i, point in enumerate(points):
        inside = [n for n, box in enumerate(boxes) if _holds(box, point)]
        if inside:
            owners[i] = min(inside, key=lambda n: float(np.prod(boxes[n][2:] - boxes[n][:2])))
        elif corrects:
            owners[i] = len(boxes)
        elif alone:
            owners[i] = 0
    loose = np.flatnonzero((owners < 0) & (signs == POSITIVE))
    owners[loose] = len(boxes) + (np.arange(len(loose)) if each_click else 0)
    for i in map(int, np.flatnonzero((owners < 0) & (signs == NEGATIVE))):
        distances = [_distance(box, points[i]) for box in boxes]
        distances += [float(np.linalg.norm(points[n] - points[i])) for n in loose]
        if distances:
            nearest = int(np.argmin(distances))
            beyond = nearest >= len(boxes)
            owners[i] = owners[loose[nearest - len(boxes)]] if beyond else nearest
    return owners


def _holds(box: NDArray[np.float64], point: NDArray[np.float64]) -> bool:
    return bool((point >= box[:2]).all() and (point <= box[2:]).all())


def _distance(box: NDArray[np.float64], point: NDArray[np.float64]) -> float:
    """Distance from a point to a box; 0 inside."""
    away = np.maximum(np.maximum(box[:2] - point, point - box[2:]), 0)
    return float(np.linalg.norm(away))
