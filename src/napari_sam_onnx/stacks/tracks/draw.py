"""Tracks -> labels whose numbers are tracks, with gaps filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.labels.linking import measure_areas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.stacks.tracks.tracks import Tracks


def draw_tracks(
    tracks: Tracks,
    read: Callable[[int], NDArray[np.integer]],
    write: Callable[[int, NDArray[np.uint32]], None],
    count: int,
    spacing: Sequence[float] | None = None,
) -> None:
    """Renumber the labels of a series frame by frame.

    In a frame where a track has no object, its last one is drawn where it should be by now, on
    what is free there: moved evenly from where it was to where it is seen again.

    Parameters
    ----------
    tracks : Tracks
        Of the labels that ``read`` gives.
    read, write : callable
        Take the number of a frame; a frame is read before it is written, once.
    count : int
        Frames.
    spacing : sequence of float, optional
        See `measure_objects`: centres are in these units.
    """
    objects = tracks.objects
    step = 1.0 if spacing is None else np.array(spacing)
    appearances = {
        number: np.flatnonzero(tracks.track == number)[
            np.argsort(objects.frames[tracks.track == number])
        ]
        for number in tracks.ids.tolist()
    }
    last: dict[int, tuple[tuple[NDArray[np.intp], ...], int]] = {}  # where it was, and its row
    for frame in range(count):
        labels = read(frame)
        rows = np.flatnonzero(objects.frames == frame)
        number_of = dict(
            zip(objects.labels[rows].tolist(), tracks.track[rows].tolist(), strict=True)
        )
        ids, _ = measure_areas(labels)
        drawn = np.zeros(labels.shape, np.uint32)
        inside = labels != 0
        numbers = np.array([number_of.get(int(i), 0) for i in ids], np.uint32)
        drawn[inside] = numbers[np.searchsorted(ids, labels[inside])]
        present = set(tracks.track[rows].tolist())
        for number, seen in appearances.items():
            frames = objects.frames[seen]
            if not frames[0] < frame < frames[-1] or number in present or number not in last:
                continue
            places, before = last[number]
            after = int(seen[np.searchsorted(frames, frame)])
            part = (frame - objects.frames[before]) / (
                objects.frames[after] - objects.frames[before]
            )
            move = (objects.centers[after] - objects.centers[before]) * part / step
            _fill(drawn, places, move, number)
        for row in rows:
            number = int(tracks.track[row])
            if number and _has_gap(objects.frames[appearances[number]], frame):
                last[number] = np.nonzero(labels == objects.labels[row]), int(row)
        write(frame, drawn)


def _has_gap(frames: NDArray[np.int64], frame: int) -> bool:
    """Whether a track is missing in the frame after this one and comes back."""
    return bool(frame < frames[-1] and frame + 1 not in frames)


def _fill(
    drawn: NDArray[np.uint32],
    places: tuple[NDArray[np.intp], ...],
    move: NDArray[np.float64],
    number: int,
) -> None:
    """Draw an object moved, on free pixels inside the frame."""
    moved = [place + round(float(step)) for place, step in zip(places, move, strict=True)]
    inside = np.logical_and.reduce(
        [(place >= 0) & (place < size) for place, size in zip(moved, drawn.shape, strict=True)]
    )
    at = tuple(place[inside] for place in moved)
    free = drawn[at] == 0
    drawn[tuple(place[free] for place in at)] = number
