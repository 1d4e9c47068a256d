"""Places of a stack's labels that deserve a look, the most doubtful first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.labels.linking import measure_areas
from napari_sam_onnx.stacks.tracks.objects import measure_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

SUDDEN = 1.7
"""An object is not expected to grow or shrink by more than this factor from plane to plane."""

TOUCHING = 0.25
"""Two objects are close where they share this part of the outline of the smaller."""


@dataclass(frozen=True, slots=True)
class Place:
    """Something that may be wrong.

    Parameters
    ----------
    kind : {"gap", "size", "touching", "begins", "ends"}
    label : int
    plane : int
        The plane or frame to look at.
    center : tuple of float
        There, in pixels.
    doubt : float
        Places with more of it come first; comparable among all kinds.
    sentence : str
        What is odd, for the user.
    """

    kind: str
    label: int
    plane: int
    center: tuple[float, ...]
    doubt: float
    sentence: str


def find_suspicious(
    read: Callable[[int], NDArray[np.integer]],
    count: int,
    *,
    time: bool,
    parents: Mapping[int, int] | None = None,
) -> list[Place]:
    """List gaps, sudden changes of size, touching objects, and what begins or ends in the middle.

    Parameters
    ----------
    read : callable
        Takes the number of a plane or frame, returns its labels, (H, W) or (Z, H, W).
    count : int
        Planes or frames.
    time : bool
        Whether they are frames. Along z every object begins and ends somewhere, and its size
        changes fast where it does; there neither is odd.
    parents : mapping of int to int, optional
        Divisions: a daughter may begin and a mother end anywhere.

    Returns
    -------
    list of Place
    """
    objects = measure_objects(read, count)
    divided = dict(parents or {})
    mothers = set(divided.values())
    at_border, touching = _look_at_planes(read, count)
    places: list[Place] = list(touching)
    for label in np.unique(objects.labels).tolist():
        rows = np.flatnonzero(objects.labels == label)
        frames, sizes = objects.frames[rows], objects.sizes[rows].astype(float)
        centers = [tuple(float(c) for c in objects.centers[row]) for row in rows]
        for before in np.flatnonzero(np.diff(frames) > 1).tolist():
            missing = int(frames[before + 1] - frames[before] - 1)
            sentence = f"Object {label} is missing in {missing} planes."
            plane = int(frames[before]) + 1
            places.append(Place("gap", label, plane, centers[before], 1.0 + missing, sentence))
        for k in range(1, len(rows)):
            if frames[k] - frames[k - 1] != 1 or (not time and not 1 < k < len(rows) - 2):
                continue
            factor = max(sizes[k] / sizes[k - 1], sizes[k - 1] / sizes[k])
            if factor > SUDDEN:
                sentence = f"Object {label} changes its size by a factor of {factor:.1f}."
                doubt = float(np.log2(factor))
                places.append(Place("size", label, int(frames[k]), centers[k], doubt, sentence))
        if not time:
            continue
        begin, end = int(frames[0]), int(frames[-1])
        if begin > 0 and label not in divided and (begin, label) not in at_border:
            sentence = f"Object {label} begins in the middle."
            places.append(Place("begins", label, begin, centers[0], 0.9, sentence))
        if end < count - 1 and label not in mothers and (end, label) not in at_border:
            sentence = f"Object {label} is lost in the middle."
            places.append(Place("ends", label, end, centers[-1], 0.9, sentence))
    return sorted(places, key=lambda place: (-place.doubt, place.plane, place.label))


def _look_at_planes(
    read: Callable[[int], NDArray[np.integer]], count: int
) -> tuple[set[tuple[int, int]], list[Place]]:
    """Which objects reach the picture's border, and which touch along much of their outline."""
    at_border: set[tuple[int, int]] = set()
    worst: dict[tuple[int, int], tuple[float, int]] = {}
    for plane in range(count):
        labels = read(plane)
        for axis in (-2, -1):
            for end in (0, -1):
                ids = np.unique(np.take(labels, end, axis=axis))
                at_border |= {(plane, int(label)) for label in ids if label}
        for (a, b), share in _share_outlines(labels).items():
            if share >= TOUCHING and share > worst.get((a, b), (0.0, 0))[0]:
                worst[a, b] = share, plane
    places = []
    for (a, b), (share, plane) in worst.items():
        center = tuple(float(p.mean()) for p in np.nonzero(read(plane) == a))
        sentence = f"Objects {a} and {b} touch along {share:.0%} of the smaller one's outline."
        places.append(Place("touching", a, plane, center, share, sentence))
    return at_border, places


def _share_outlines(labels: NDArray[np.integer]) -> dict[tuple[int, int], float]:
    """By pair of neighbours, the part of the shorter outline that they share."""
    ids, _ = measure_areas(labels)
    length = np.zeros(len(ids))
    shared: dict[tuple[int, int], int] = {}
    for axis in range(labels.ndim):
        moved = np.moveaxis(labels, axis, 0)
        a, b = moved[:-1], moved[1:]
        border = a != b
        one, two = a[border].astype(np.int64), b[border].astype(np.int64)
        for side in (one, two):
            inside = side > 0
            np.add.at(length, np.searchsorted(ids, side[inside]), 1)
        both = (one > 0) & (two > 0)
        low, high = np.minimum(one[both], two[both]), np.maximum(one[both], two[both])
        pairs, counts = np.unique(np.stack([low, high]), axis=1, return_counts=True)
        for (p, q), n in zip(pairs.T.tolist(), counts.tolist(), strict=True):
            shared[p, q] = shared.get((p, q), 0) + n
    outline = dict(zip(ids.tolist(), length.tolist(), strict=True))
    return {(p, q): n / min(outline[p], outline[q]) for (p, q), n in shared.items()}
