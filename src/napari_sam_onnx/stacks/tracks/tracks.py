"""What a series' tracks are: a value that files, layers and evaluation share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_sam_onnx.stacks.tracks.objects import FrameObjects


class TrackError(UserError, ValueError):
    """Tracks that cannot be made, read or written; the message says what to change."""


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Objects of a series and the tracks that they belong to.

    Parameters
    ----------
    objects : FrameObjects
    track : (N,) int64
        The track of each object, 1 and up; 0 where it belongs to none.
    parents : mapping of int to int
        The track that a track came of, by a division.
    """

    objects: FrameObjects
    track: NDArray[np.int64]
    parents: Mapping[int, int]

    @property
    def ids(self) -> NDArray[np.int64]:
        """The tracks, ascending."""
        return np.unique(self.track[self.track > 0])

    @property
    def table(self) -> NDArray[np.float64]:
        """One row for each object of a track: track, frame, then its centre.

        The data of a Tracks layer of napari, sorted as that wants it.
        """
        of_track = np.flatnonzero(self.track)
        rows = np.column_stack(
            [
                self.track[of_track],
                self.objects.frames[of_track],
                self.objects.centers[of_track],
            ]
        ).astype(float)
        return rows[np.lexsort((rows[:, 1], rows[:, 0]))]

    @property
    def graph(self) -> dict[int, list[int]]:
        """The divisions as napari's Tracks layer takes them: a track and its parents."""
        return {child: [parent] for child, parent in sorted(self.parents.items())}

    @property
    def spans(self) -> dict[int, tuple[int, int]]:
        """The first and the last frame of each track."""
        frames = self.objects.frames
        return {
            int(i): (int(frames[self.track == i].min()), int(frames[self.track == i].max()))
            for i in self.ids
        }


def tracks_from_labels(
    read: Callable[[int], NDArray[np.integer]], count: int, parents: Mapping[int, int] | None = None
) -> Tracks:
    """Take labels whose numbers are tracks already.

    Parameters
    ----------
    read : callable
        Takes the number of a frame, returns its labels.
    count : int
        Frames.
    parents : mapping of int to int, optional
        Divisions.
    """
    from napari_sam_onnx.stacks.tracks.objects import measure_objects

    objects = measure_objects(read, count)
    return Tracks(objects, objects.labels.copy(), dict(parents or {}))
