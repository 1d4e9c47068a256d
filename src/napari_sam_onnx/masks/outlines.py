"""A mask -> its outlines, and back: holes and separate pieces are kept, and what is lost is told.

Outlines run along the edges of pixels, in edge coordinates ``(y, x)``: pixel ``i`` spans
``[i, i + 1]``. So an outline has the area of its mask, and filling it gives the mask again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A connected part of an object.

    Parameters
    ----------
    outer : (N, 2) float64
        Corners ``(y, x)`` in edge coordinates; the last is not the first again.
    holes : tuple of (N, 2) float64
        Alike.
    """

    outer: NDArray[np.float64]
    holes: tuple[NDArray[np.float64], ...] = ()

    @property
    def rings(self) -> tuple[NDArray[np.float64], ...]:
        """The outer outline, then those of the holes."""
        return (self.outer, *self.holes)


def trace_pieces(
    crop: NDArray[np.bool_], origin: tuple[int, int] = (0, 0), tolerance: float = 0.0
) -> list[Piece]:
    """Trace the outlines of a mask.

    Parameters
    ----------
    crop : (h, w) bool
    origin : (y, x)
        Where the crop's first pixel lies.
    tolerance : float
        Pixels by which a simplified outline may leave the true one (Douglas and Peucker 1973,
        `skimage.measure.approximate_polygon`); 0 keeps every corner.

    Returns
    -------
    list of Piece
        4-connected, the largest first; pieces that touch at a corner are two.
    """
    from scipy import ndimage

    parts, count = ndimage.label(crop)
    pieces = []
    for number, where in enumerate(ndimage.find_objects(parts), start=1):
        rings = _trace_rings(parts[where] == number)
        shift = np.array([where[0].start + origin[0], where[1].start + origin[1]], np.float64)
        areas = [_measure_area(ring) for ring in rings]
        order = sorted(range(len(rings)), key=lambda i: -abs(areas[i]))
        moved = [_simplify(rings[i], tolerance) + shift for i in order]
        pieces.append((abs(areas[order[0]]), Piece(moved[0], tuple(moved[1:]))))
    assert len(pieces) == count
    return [piece for _, piece in sorted(pieces, key=lambda entry: -entry[0])]


def fill_rings(rings: Iterable[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill outlines: a pixel is inside where its centre lies in an odd number of rings.

    Parameters
    ----------
    rings : iterable of (N, 2) array
        Corners ``(y, x)`` in edge coordinates of the plane.
    shape : (H, W)

    Returns
    -------
    (H, W) bool
    """
    from skimage.draw import polygon

    filled = np.zeros(shape, bool)
    for ring in rings:
        rows, columns = polygon(ring[:, 0] - 0.5, ring[:, 1] - 0.5, shape)
        filled[rows, columns] ^= True
    return filled


def join_rings(pieces: Iterable[Piece]) -> NDArray[np.float64]:
    """Make one closed line of all outlines, for formats that know one polygon per object.

    Rings are joined at their nearest corners by a line there and back, which encloses nothing; by
    the even-odd rule the line encloses what the pieces do.
    """
    rings = [ring for piece in pieces for ring in piece.rings]
    line = rings[0]
    for ring in rings[1:]:
        distance = ((line[:, None] - ring[None]) ** 2).sum(axis=2)
        at, begin = np.unravel_index(int(distance.argmin()), distance.shape)
        there = np.roll(ring, -int(begin), axis=0)
        line = np.concatenate([line[: at + 1], there, there[:1], line[at:]])
    return line


def _trace_rings(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Follow the edges of a 4-connected mask, the object on the right-hand side."""
    padded = np.pad(mask, 1).astype(np.int8)
    # Vertex (y, x) is the upper left corner of the padded pixel (y, x).
    down, right = np.diff(padded, axis=0), np.diff(padded, axis=1)
    starts: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def add(y: NDArray[np.intp], x: NDArray[np.intp], dy: int, dx: int) -> None:
        for begin in zip(y.tolist(), x.tolist(), strict=True):
            starts.setdefault(begin, []).append((dy, dx))

    y, x = np.nonzero(down == 1)  # object below: eastwards
    add(y + 1, x, 0, 1)
    y, x = np.nonzero(down == -1)  # object above: westwards
    add(y + 1, x + 1, 0, -1)
    y, x = np.nonzero(right == 1)  # object to the right: northwards
    add(y + 1, x + 1, -1, 0)
    y, x = np.nonzero(right == -1)  # object to the left: southwards
    add(y, x + 1, 1, 0)
    rings = []
    while starts:
        first = next(iter(starts))
        direction = starts[first][0]
        place = first
        ring: list[tuple[int, int]] = []
        while True:
            choices = starts.get(place)
            if choices is None:
                break
            if len(choices) == 1:
                turn = choices[0]
                del starts[place]
            else:  # two pixels touch at this corner: stay with the pixel on the right
                dy, dx = direction
                turn = (dx, -dy) if (dx, -dy) in choices else choices[0]
                choices.remove(turn)
            if not ring or turn != direction:
                ring.append(place)
            direction = turn
            place = place[0] + turn[0], place[1] + turn[1]
            if place == first:
                break
        corners = np.array(ring, np.float64) - 1
        if len(corners) > 1 and _is_straight(corners[-1], corners[0], corners[1]):
            corners = corners[1:]
        rings.append(corners)
    return rings


def _is_straight(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> bool:
    (ay, ax), (by, bx) = b - a, c - b
    return bool(ay * bx == ax * by)


def _simplify(ring: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    from skimage.measure import approximate_polygon

    if tolerance <= 0:
        return ring
    closed = np.concatenate([ring, ring[:1]])
    simple = approximate_polygon(closed, tolerance)[:-1]
    return simple if len(simple) >= 3 else ring


def _measure_area(ring: NDArray[np.float64]) -> float:
    y, x = ring.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)
