"""Objects of a series -> tracks, by linear assignment (LapTrack).

Frame to frame first, then over gaps and to the parents of divisions (Jaqaman et al. 2008, Nature
Methods 5, 695; Fukai and Kawaguchi 2023, Bioinformatics 39, btac799). What two objects cost to
link: the part of the smaller that they do not share, and the squared distance of their centres in
their diameters; where a model says what it sees in them, also how unlike they look.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.stacks.tracks.tracks import TrackError, Tracks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.stacks.tracks.objects import FrameObjects
    from napari_sam_onnx.stacks.tracks.parameters import TrackParameters

DAUGHTERS = (0.5, 1.5)
"""The size of both daughters together, as a part of their mother's; else nothing divided."""

UNLIKE = 0.5
"""What objects that look neither alike nor unlike cost, as a part of `TrackParameters.looks`."""

ALIKE = 0.4
"""The smaller daughter's size as a part of the larger's, at least."""


def check_library() -> None:
    """Refuse to begin where LapTrack is not installed.

    Raises
    ------
    TrackError
        If it is not.
    """
    if find_spec("laptrack") is None:
        raise TrackError('Tracks need one more package: pip install "napari-sam-onnx[tracks]".')


def link_tracks(objects: FrameObjects, parameters: TrackParameters) -> Tracks:
    """Follow objects through time.

    Parameters
    ----------
    objects : FrameObjects
        With overlaps across as many frames as `TrackParameters.max_gap` allows.
    parameters : TrackParameters

    Raises
    ------
    TrackError
        If the library for it is not installed.
    """
    count = len(objects)
    if count == 0:
        return Tracks(objects, np.zeros(0, np.int64), {})
    tree = _assign(objects, parameters)
    following: dict[int, list[int]] = {row: [] for row in range(count)}
    for before, next_one in tree:
        following[before].append(next_one)
    _judge_divisions(objects, following)
    track = np.zeros(count, np.int64)
    parents: dict[int, int] = {}
    reached = {row for rows in following.values() for row in rows}
    number = 0
    starts = [(row, 0) for row in range(count) if row not in reached]
    while starts:
        row, parent = starts.pop(0)
        number += 1
        if parent:
            parents[number] = parent
        while True:
            track[row] = number
            after = following[row]
            if len(after) != 1:
                starts += [(daughter, number) for daughter in after]
                break
            row = after[0]
    least = parameters.min_size * objects.usual_size
    return drop_short(Tracks(objects, track, parents), parameters.min_frames, least)


def _assign(objects: FrameObjects, parameters: TrackParameters) -> list[tuple[int, int]]:
    """Links between rows, the earlier first; a row with two that follow divides."""
    check_library()
    from laptrack import LapTrack

    frames = objects.frames
    rows = np.arange(len(objects), dtype=float)
    coordinates = [rows[frames == t][:, None] for t in range(int(frames.max()) + 1)]
    looks = parameters.looks if objects.looks is not None else 0.0
    cost = _Cost(objects, looks)
    cutoff = 1 + parameters.max_move**2 + UNLIKE * looks
    alone = cutoff  # to end and to begin: every link that is allowed costs less
    tracker = LapTrack(
        metric=cost,
        cutoff=cutoff,
        gap_closing_metric=cost,
        gap_closing_cutoff=cutoff if parameters.max_gap else False,
        gap_closing_max_frame_count=parameters.max_gap + 1,  # from frame to frame
        splitting_metric=cost.of_division,
        splitting_cutoff=cutoff if parameters.divide else False,
        merging_cutoff=False,
        track_start_cost=alone,
        track_end_cost=alone,
        segment_start_cost=alone,
        segment_end_cost=alone,
        no_splitting_cost=alone,
    )
    graph = tracker.predict(coordinates)
    index = [np.flatnonzero(frames == t) for t in range(len(coordinates))]
    links = []
    for (frame, place), (other_frame, other_place) in graph.edges():
        pair = int(index[frame][place]), int(index[other_frame][other_place])
        links.append(pair if frame < other_frame else pair[::-1])
    return links


class _Cost:
    """What it costs to link two rows of a table of objects."""

    def __init__(self, objects: FrameObjects, looks: float) -> None:
        self._centers = objects.centers.tolist()
        power = 1 / objects.centers.shape[1]
        part = (objects.sizes / objects.usual_size) ** power
        self._diameters = (objects.diameter * part).tolist()
        self._sizes = objects.sizes.tolist()
        self._frames = objects.frames.tolist()
        self._overlaps = objects.overlaps
        self._weight, self._looks = looks, objects.looks

    def __call__(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """Cost of one object being the other."""
        i, j = self._order(a, b)
        steps = self._frames[j] - self._frames[i]
        apart = self._distance(i, j) / steps**2
        return float(1 - self._share(i, j) + apart + self._unlikeness(i, j))

    def of_division(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """Cost of the later object being a daughter of the earlier: it is smaller, and near."""
        i, j = self._order(a, b)
        too_large = max(0.0, self._sizes[j] / self._sizes[i] - 0.75)
        near = 1 - self._share(i, j) + self._distance(i, j)
        return float(near + 4 * too_large + self._unlikeness(i, j))

    def _order(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[int, int]:
        i, j = int(a[0]), int(b[0])
        return (i, j) if self._frames[i] <= self._frames[j] else (j, i)

    def _share(self, i: int, j: int) -> float:
        shared = self._overlaps.get((i, j), 0)
        return float(shared / min(self._sizes[i], self._sizes[j]))

    def _unlikeness(self, i: int, j: int) -> float:
        if not self._weight or self._looks is None:
            return 0.0
        return float(self._weight * (1 - self._looks[i] @ self._looks[j]))

    def _distance(self, i: int, j: int) -> float:
        """Squared distance in diameters, of the mean of the two."""
        diameter = (self._diameters[i] + self._diameters[j]) / 2
        pairs = zip(self._centers[i], self._centers[j], strict=True)
        return float(sum((p - q) ** 2 for p, q in pairs) / diameter**2)


def _judge_divisions(objects: FrameObjects, following: dict[int, list[int]]) -> None:
    """Keep what can be a division; of what cannot the better link alone stays.

    Two daughters are alike in size, and together about as large as their mother. Otherwise a
    piece came off, or two objects had been taken as one.
    """
    for row, after in following.items():
        if len(after) < 2:
            continue
        after.sort(key=lambda other: -objects.overlaps.get((row, other), 0))
        sizes = objects.sizes[after[:2]]
        whole = sizes.sum() / objects.sizes[row]
        alike = sizes.min() / sizes.max()
        if DAUGHTERS[0] <= whole <= DAUGHTERS[1] and alike >= ALIKE:
            del after[2:]
        else:
            del after[1:]


def drop_short(tracks: Tracks, min_frames: int, least: float = 0.0) -> Tracks:
    """Leave out tracks seen in few frames or of small objects, and number the others anew.

    Daughters and mothers stay, as does what appears in the last frames or is gone after the first
    ones: it may be longer than what was recorded of it. A series shorter than the limit keeps
    what it has in every frame.
    """
    counts = np.bincount(tracks.track)
    frames = tracks.objects.frames
    last = int(frames.max()) if len(frames) else 0
    related = set(tracks.parents) | set(tracks.parents.values())
    kept = []
    for number in tracks.ids.tolist():
        mine = frames[tracks.track == number]
        if np.median(tracks.objects.sizes[tracks.track == number]) < least:
            continue
        at_an_end = mine.min() == 0 or mine.max() == last
        needed = min(min_frames, last + 1)
        if at_an_end and mine.max() - mine.min() + 1 < min_frames:
            needed = min(needed, 2)
        if counts[number] >= needed or number in related:
            kept.append(number)
    new = np.zeros(len(counts), np.int64)
    new[kept] = np.arange(1, len(kept) + 1)
    parents = {int(new[c]): int(new[p]) for c, p in tracks.parents.items() if new[c] and new[p]}
    return Tracks(tracks.objects, new[tracks.track], parents)


def count_tracks(tracks: Tracks) -> dict[str, int]:
    """Count tracks and divisions, for a sentence about the run."""
    return {"tracks": len(tracks.ids), "divisions": len(set(tracks.parents.values()))}
