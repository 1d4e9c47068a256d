"""Flow fields -> labels of a plane or a volume: every pixel follows the flow to a sink.

A network of the Cellpose family (Stringer et al. 2021, Nature Methods 18:100; Pachitariu et al.
2025, bioRxiv 2025.04.28.651001) says for each pixel whether it belongs to a cell, and in which
direction that cell's centre lies. Nothing here knows about models; the steps and their constants
are those of the authors' own program, so that the same flows give the same objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

FLOW_SCALE = 5.0
"""Networks of this family are trained on five times the unit flow."""

SINK_POINTS = 10
"""A sink is where more than this many pixels end."""

GROW_POINTS = 2
"""A sink takes in neighbouring places where more than this many pixels end."""

GROW_STEPS = 5
LARGEST_PART = 0.4
"""An object that fills more of the plane is the background."""

_AROUND = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))


@dataclass(frozen=True, slots=True, eq=False)
class FlowField:
    """What a network of the Cellpose family says of a plane, or of a volume.

    Parameters
    ----------
    flow : (2, H, W) or (3, D, H, W) float32
        Along (z,) y and x, towards the centre of the pixel's object, `FLOW_SCALE` long.
    cell : (H, W) or (D, H, W) float32
        Logit of the probability that the pixel belongs to an object.
    """

    flow: NDArray[np.float32]
    cell: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FlowLabels:
    """The objects of a flow field.

    Parameters
    ----------
    labels : (H, W) or (D, H, W) uint32
        1 to N without gaps.
    errors : (N,) float64
        How far each object's flow is from what the network said, see `measure_flow_errors`; 0 in
        volumes.
    """

    labels: NDArray[np.uint32]
    errors: NDArray[np.float64]


def iterate_flow_labels(
    field: FlowField,
    *,
    cell_threshold: float = 0.0,
    flow_threshold: float = 0.4,
    min_area: int = 15,
    steps: int = 200,
) -> Generator[tuple[int, int], None, FlowLabels]:
    """Find the objects of a flow field, step by step.

    Parameters
    ----------
    field : FlowField
    cell_threshold : float
        Pixels whose logit is at or below it belong to no object.
    flow_threshold : float
        Objects of planes with a larger error are left out; 0 keeps all. Volumes keep all, as in
        the authors' program.
    min_area : int
        Smaller objects are left out, pixels.
    steps : int
        How long pixels follow the flow, one pixel at most each.

    Yields
    ------
    done, total : int
        Steps.

    Returns
    -------
    FlowLabels
        The generator's value.
    """
    inside = field.cell > cell_threshold
    pixels = np.nonzero(inside)
    flow = np.asarray(field.flow * inside / np.float32(FLOW_SCALE), np.float32)
    points = np.stack(pixels).astype(np.float32)
    for step in range(steps if points.size else 0):
        yield step, steps
        points = _follow(points, flow)
    labels = np.zeros(inside.shape, np.int32)
    labels[pixels] = _gather(points.astype(np.intp), inside.shape)
    labels = _drop(labels, np.bincount(labels.ravel()) > LARGEST_PART * labels.size)
    if labels.ndim == 3:
        labels = _tidy(labels, min_area)
        return FlowLabels(labels.astype(np.uint32), np.zeros(int(labels.max(initial=0))))
    if flow_threshold > 0 and labels.any():
        labels = _drop(labels, measure_flow_errors(labels, field) > flow_threshold, first=1)
    labels = _tidy(labels, min_area)
    errors = measure_flow_errors(labels, field) if labels.any() else np.zeros(0)
    return FlowLabels(labels.astype(np.uint32), errors)


def _follow(points: NDArray[np.float32], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move points ``(N, P)`` one step along a flow ``(N, …)``, linear, zero outside."""
    sizes = np.array(flow.shape[1:], np.float32)[:, None]
    # The family's programs read the flow half a pixel towards the plane's corner, growing to half
    # a pixel away from it at the other end; networks were judged with it, so it is kept.
    places = points * (sizes / np.maximum(sizes - 1, 1)) - np.float32(0.5)
    moves = [
        scipy.ndimage.map_coordinates(part, places, order=1, mode="grid-constant") for part in flow
    ]
    return np.asarray(np.clip(points + np.stack(moves), 0, sizes - 1), np.float32)


def _gather(ends: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Find the sinks; return the number of the sink where each point ``(N, P)`` ended."""
    margin = GROW_STEPS
    padded = tuple(size + 2 * margin for size in shape)
    flat = np.ravel_multi_index(tuple(ends + margin), padded)
    crowd = np.bincount(flat, minlength=int(np.prod(padded))).reshape(padded)
    top = scipy.ndimage.maximum_filter(crowd, 5, mode="constant")
    sinks = np.argwhere((crowd == top) & (crowd > SINK_POINTS))
    sinks = sinks[np.argsort(crowd[tuple(sinks.T)], kind="stable")]  # the most crowded wins
    numbers = np.zeros(padded, np.int32)
    around = np.ones((3,) * len(shape))
    for number, sink in enumerate(sinks, 1):
        window = tuple(slice(place - margin, place + margin + 1) for place in sink)
        busy = crowd[window] > GROW_POINTS
        grown = np.zeros(busy.shape, bool)
        grown[(margin,) * len(shape)] = True
        grown = scipy.ndimage.binary_dilation(grown, around, GROW_STEPS, mask=busy)
        patch = numbers[window]
        patch[grown] = number
        numbers[window] = patch
    return np.asarray(numbers.ravel()[flat], np.int32)


def _drop(labels: NDArray[np.int32], out: NDArray[np.bool_], first: int = 0) -> NDArray[np.int32]:
    """Leave out the labels ``first + i`` where ``out[i]``, and close the gaps."""
    keep = np.zeros(int(labels.max()) + 1, bool)
    keep[first : first + len(out)] = ~out
    keep &= np.bincount(labels.ravel(), minlength=len(keep)) > 0
    keep[0] = False
    numbers = np.where(keep, np.cumsum(keep), 0)
    return numbers[labels].astype(np.int32)


def _tidy(labels: NDArray[np.int32], min_area: int) -> NDArray[np.int32]:
    """Fill the holes of each object, and leave out those that are too small."""
    labels = _drop(labels, np.bincount(labels.ravel()) < min_area)
    filled = labels.copy()
    for number, where in enumerate(scipy.ndimage.find_objects(labels), 1):
        filled[where][scipy.ndimage.binary_fill_holes(labels[where] == number)] = number
    return _drop(filled, np.bincount(filled.ravel()) < min_area)


def flows_of_labels(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Make the unit flow that points to the centre of each object.

    Heat is put in at the object's centre and spreads over its own pixels; the flow is the
    gradient of the temperature, normalised (Stringer et al. 2021, methods).

    Parameters
    ----------
    labels : (H, W) integer array
        1 to N without gaps.

    Returns
    -------
    (2, H, W) float64
        Along y and x; zero where there is no object.
    """
    padded = np.pad(np.asarray(labels, np.int64), 1)
    boxes = scipy.ndimage.find_objects(padded)
    flow = np.zeros((2, *padded.shape))
    if not boxes:
        return flow[:, 1:-1, 1:-1]
    width = padded.shape[1]
    pixels = np.flatnonzero(padded)
    place = np.zeros(padded.size, np.intp)  # of a pixel in the list; 0 stands for any other
    place[pixels] = np.arange(1, len(pixels) + 1)
    owner = padded.ravel()
    near = [pixels + dy * width + dx for dy, dx in _AROUND]
    links = np.stack([np.where(owner[n] == owner[pixels], place[n], 0) for n in near])
    centres = place[[_centre(padded, box, i) for i, box in enumerate(boxes, 1)]]
    rounds = 2 * max(sum(s.stop - s.start for s in box) + 2 for box in boxes)
    heat = np.zeros(len(pixels) + 1)
    for _ in range(rounds):
        heat[centres] += 1
        heat[1:] = heat[links].sum(axis=0) / len(_AROUND)
    # over the edge of an object lies its neighbour's heat, as in the authors' program
    down, up, right, left = (heat[place[pixels + d]] for d in (width, -width, 1, -1))
    gradient = np.stack([down - up, right - left])
    gradient /= 1e-60 + np.sqrt((gradient**2).sum(axis=0))
    flow.reshape(2, -1)[:, pixels] = gradient
    return flow[:, 1:-1, 1:-1]


def _centre(labels: NDArray[np.int64], box: tuple[slice, slice], number: int) -> int:
    """Find the pixel of an object that lies nearest to its centre of mass; as a flat index."""
    rows, columns = np.nonzero(labels[box] == number)
    y, x = round(float(rows.mean())), round(float(columns.mean()))
    nearest = int(((rows - y) ** 2 + (columns - x) ** 2).argmin())
    row, column = rows[nearest] + box[0].start, columns[nearest] + box[1].start
    return int(row * labels.shape[1] + column)


def measure_flow_errors(labels: NDArray[np.integer], field: FlowField) -> NDArray[np.float64]:
    """Mean squared difference between the flow of each object and what the network said.

    Parameters
    ----------
    labels : (H, W) integer array
        1 to N without gaps.
    field : FlowField

    Returns
    -------
    (N,) float64
    """
    count = int(labels.max(initial=0))
    gap = ((flows_of_labels(labels) - field.flow / FLOW_SCALE) ** 2).sum(axis=0)
    return np.asarray(scipy.ndimage.mean(gap, labels, np.arange(1, count + 1)), np.float64)


def resize_field(field: FlowField, shape: tuple[int, int]) -> FlowField:
    """Resample the flow field of a plane linearly; flows keep their length."""
    if field.cell.shape == shape:
        return field
    from PIL import Image

    maps = [
        np.asarray(Image.fromarray(part).resize(shape[::-1], Image.Resampling.BILINEAR))
        for part in (*field.flow, field.cell)
    ]
    return FlowField(np.stack(maps[:2]), maps[2])
