"""Objects that exist, edited: joined, divided, grown, shrunk, filled, smoothed.

Pure: an object comes in and what it becomes comes out; who owns which pixel is the caller's to
write. Functions of arrays take any number of dimensions, those of masks one plane.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
import scipy

from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.mask import Mask, crop_to_object, see_within, unite, widen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

SEAM = 2
"""Two objects that are joined take the free pixels between them where they are so near."""

CRUMB = 0.01
"""What a stroke cuts off is a piece of its own if it has more than this share of the object."""


class Readable(Protocol):
    """The labels of a plane, of which parts are read: an array, or something that acts as one."""

    def __getitem__(self, part: tuple[slice, slice], /) -> NDArray[np.integer]:
        """Labels of some rows and columns."""


# Arrays of any number of dimensions


def divide_by_seeds(
    inside: NDArray[np.bool_], seeds: Sequence[Sequence[float]]
) -> NDArray[np.int32]:
    """Divide an object among seeds, along its necks.

    Seeds go to where the object is thickest around them, from where a watershed of the distance to
    the outline divides it (Beucher and Lantuéjoul 1979); among seeds without a neck between them
    each pixel goes to the nearest.

    Parameters
    ----------
    inside : (…) bool
    seeds : sequence of positions
        One per part, in pixels; each counts as the nearest pixel of the object.

    Returns
    -------
    (…) int32
        1 for the part of the first seed and so on; 0 outside the object.

    Raises
    ------
    LabelError
        If there are less than two seeds, or two fall onto one pixel.
    """
    from skimage.segmentation import watershed

    if len(seeds) < 2:
        raise LabelError("Give a point in each of the parts: at least two.")
    pixels = np.argwhere(inside)
    if not len(pixels):
        raise LabelError("There is no object to divide.")
    framed = scipy.ndimage.distance_transform_edt(np.pad(inside, 1))
    depth = scipy.ndimage.gaussian_filter(framed, 1.0)[tuple(slice(1, -1) for _ in inside.shape)]
    depth[~inside] = -1
    starts: list[tuple[int, ...]] = []
    summits = np.zeros(inside.shape, np.int32)
    group = []
    for seed in seeds:
        away = ((pixels - np.asarray(seed, float)) ** 2).sum(axis=1)
        starts.append(tuple(map(int, pixels[int(np.argmin(away))])))
        top = _climb(depth, starts[-1])
        summits[top] = summits[top] or summits.max() + 1
        group.append(int(summits[top]))
    if len(set(starts)) < len(starts):
        raise LabelError("Two of the points lie on one pixel; set them further apart.")
    basins = watershed(-depth, summits, mask=inside, connectivity=inside.ndim)
    parts = np.zeros(inside.shape, np.int32)
    for basin in set(group):
        members = [number for number, own in enumerate(group) if own == basin]
        where = np.argwhere(basins == basin)
        places = np.array([starts[number] for number in members], float)
        nearest = ((where[:, None] - places) ** 2).sum(axis=2).argmin(axis=1)
        parts[tuple(where.T)] = np.array(members)[nearest] + 1
    return parts


def _climb(depth: NDArray[np.float64], start: tuple[int, ...]) -> tuple[int, ...]:
    """Go from a pixel to ever deeper neighbours, as far as there are any."""
    here = start
    while True:
        corner = [max(0, at - 1) for at in here]
        around = depth[tuple(slice(low, at + 2) for low, at in zip(corner, here, strict=True))]
        step = np.unravel_index(int(np.argmax(around)), around.shape)
        there = tuple(low + int(way) for low, way in zip(corner, step, strict=True))
        if depth[there] <= depth[here]:
            return here
        here = there


def divide_by_cut(
    inside: NDArray[np.bool_], cut: NDArray[np.bool_], least: float = CRUMB
) -> NDArray[np.int32]:
    """Divide an object along pixels that separate it.

    Parameters
    ----------
    inside, cut : (…) bool
        The cut's own pixels go to the nearest part.
    least : float
        Parts with a smaller share of the object go to their neighbours.

    Returns
    -------
    (…) int32
        1 for the largest part and so on; 0 outside. All 1 where the cut does not separate it.
        Pieces that the cut does not touch belong to the largest part.
    """
    struck, count = scipy.ndimage.label(inside, np.ones((3,) * inside.ndim))
    touched = np.zeros(count + 1, bool)
    touched[np.unique(struck[cut & inside])] = True
    touched[0] = False
    apart = inside & touched[struck]
    parts, number = scipy.ndimage.label(apart & ~cut)
    sizes = np.bincount(parts.ravel(), minlength=number + 1)
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")
    large = [part for part in order if sizes[part] and sizes[part] >= least * inside.sum()]
    result = inside.astype(np.int32)
    if len(large) < 2:
        return result
    renumber = np.zeros(number + 1, np.int32)
    renumber[large] = np.arange(1, len(large) + 1)
    known = renumber[parts]
    nearest = scipy.ndimage.distance_transform_edt(
        known == 0, return_distances=False, return_indices=True
    )
    result[apart] = known[tuple(nearest)][apart]
    return result


# Masks of one plane


def find_object(labels: NDArray[np.integer], label: int) -> Mask:
    """Return an object of a plane's labels.

    Raises
    ------
    LabelError
        If the plane has none of that number.
    """
    mask = Mask.from_array(labels == label)
    if not label or not mask:
        raise LabelError(f"There is no object {label} on this plane.")
    return mask


def grow(mask: Mask, labels: Readable | None = None) -> Mask:
    """Add the pixels next to an object that nobody owns."""
    framed = widen(mask, 1)
    wider = scipy.ndimage.binary_dilation(framed.crop)
    return crop_to_object(replace(framed, pixels=wider & (framed.crop | _free(labels, framed))))


def shrink(mask: Mask) -> Mask:
    """Take off an object's outermost pixels; those at the edge of the plane stay.

    Raises
    ------
    LabelError
        If nothing would be left.
    """
    framed = widen(mask, 1)
    inner = scipy.ndimage.binary_erosion(framed.crop, border_value=1)
    if not inner.any():
        raise LabelError("Nothing would be left of this object; delete it instead (K).")
    return crop_to_object(replace(framed, pixels=inner))


def fill_holes(mask: Mask, labels: Readable | None = None) -> Mask:
    """Add what an object encloses and nobody owns."""
    filled = scipy.ndimage.binary_fill_holes(mask.crop)
    return replace(mask, pixels=filled & (mask.crop | _free(labels, mask)))


def keep_largest(mask: Mask) -> Mask:
    """Leave out all pieces of an object but the largest, 8-connected."""
    pieces, count = scipy.ndimage.label(mask.crop, np.ones((3, 3)))
    if count < 2:
        return mask
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return crop_to_object(replace(mask, pixels=pieces == largest))


def smooth(mask: Mask, radius: float, labels: Readable | None = None) -> Mask:
    """Round an outline: corners and notches narrower than about `radius` pixels go.

    A Gaussian of that width, at the level of a half; what lies beyond the plane counts as its
    edge. An object that is thinner everywhere stays as it is.
    """
    framed = widen(mask, int(np.ceil(2 * radius)) + 1)
    blurred = scipy.ndimage.gaussian_filter(framed.crop.astype(np.float32), radius, mode="nearest")
    rounded = (blurred > 0.5) & (framed.crop | _free(labels, framed))
    return crop_to_object(replace(framed, pixels=rounded)) if rounded.any() else mask


def join(masks: Sequence[Mask], labels: Readable | None = None) -> Mask:
    """Make one object of several; a free seam between them, up to `SEAM` pixels, is closed."""
    if len(masks) < 2:
        raise LabelError("Joining takes two objects.")
    framed = widen(unite(masks), SEAM)
    steps = (SEAM + 1) // 2
    square = np.ones((3, 3))
    closed = scipy.ndimage.binary_closing(framed.crop, square, iterations=steps)
    between = closed & _near_all(masks, framed, steps + 1) & _free(labels, framed)
    return crop_to_object(replace(framed, pixels=framed.crop | between))


def split_by_points(mask: Mask, points: ArrayLike) -> list[Mask]:
    """Divide an object among points ``(N, 2)``, along its necks; the largest part comes first."""
    seeds = np.asarray(points, float).reshape(-1, 2) - mask.origin
    return _take_parts(mask, divide_by_seeds(mask.crop, seeds.tolist()))


def split_by_stroke(mask: Mask, stroke: ArrayLike) -> list[Mask]:
    """Divide an object along a stroke; the largest part comes first.

    Parameters
    ----------
    mask : Mask
    stroke : (N, 2) array-like
        ``(y, x)`` in plane pixels. One that begins or ends inside the object goes on straight to
        its outline, where that is needed.

    Raises
    ------
    LabelError
        If it does not divide the object.
    """
    path = np.asarray(stroke, float).reshape(-1, 2) - mask.origin
    if len(path) < 2:
        raise LabelError("Draw the stroke across the object.")
    for drawn in (path, _extend(path, float(np.hypot(*mask.pixels.shape)))):
        parts = divide_by_cut(mask.crop, _rasterize(drawn, mask.pixels.shape))
        if parts.max() > 1:
            return _take_parts(mask, parts)
    raise LabelError("The stroke does not divide the object; draw it from side to side.")


def differ(a: Mask, b: Mask) -> bool:
    """Whether two masks of one plane differ in any pixel."""
    return a.bbox != b.bbox or not np.array_equal(a.crop, b.crop)


def is_background(mask: Mask) -> bool:
    """Whether a mask reaches all four edges of its plane: a ground with objects on it."""
    height, width = mask.shape
    return bool(mask) and mask.bbox == (0, 0, height, width)


def invert(mask: Mask) -> Mask:
    """Return what a mask leaves of its plane, with its scores."""
    plane = np.asarray(mask, dtype=bool)
    inverted = replace(mask, origin=(0, 0), pixels=~plane, low_res=None, candidates=())
    if mask.low_res is not None:
        low_res = replace(mask.low_res, logits=-mask.low_res.logits)
        inverted = replace(inverted, low_res=low_res)
    return crop_to_object(inverted)


def _free(labels: Readable | None, mask: Mask) -> NDArray[np.bool_]:
    """Which pixels of a crop nobody owns."""
    if labels is None:
        return np.ones(mask.pixels.shape, bool)
    free: NDArray[np.bool_] = np.asarray(labels[mask.slices]) == 0
    return free


def _near_all(masks: Sequence[Mask], framed: Mask, steps: int) -> NDArray[np.bool_]:
    """Which pixels of a crop lie near at least two of some masks."""
    near = np.zeros(framed.pixels.shape, np.int32)
    for mask in masks:
        there = see_within(mask, framed.bbox)
        near += scipy.ndimage.binary_dilation(there, np.ones((3, 3)), iterations=steps)
    return near > 1


def _take_parts(mask: Mask, parts: NDArray[np.int32]) -> list[Mask]:
    made = [
        crop_to_object(replace(mask, pixels=parts == number))
        for number in range(1, int(parts.max()) + 1)
    ]
    return sorted((part for part in made if part), key=lambda part: -part.area)


def _extend(path: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """Let a stroke go on straight beyond both its ends."""
    ends = []
    for end, other in ((path[0], path[len(path) // 2]), (path[-1], path[(len(path) - 1) // 2])):
        way = end - other
        size = float(np.linalg.norm(way))
        ends.append(end if size == 0 else end + way / size * length)
    return np.concatenate([ends[:1], path, ends[1:]])


def _rasterize(path: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Draw a stroke, a pixel wide, of which a part may lie outside."""
    from skimage.draw import line

    pixels = np.round(path).astype(int)
    drawn = np.zeros(shape, bool)
    for start, stop in pairwise(pixels):
        rows, columns = line(*start, *stop)
        inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        drawn[rows[inside], columns[inside]] = True
    return drawn
