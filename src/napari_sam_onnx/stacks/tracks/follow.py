"""Labels of a series -> labels whose numbers are tracks, through a source of planes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.arguments import tell_axes
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.stacks.tracks.draw import draw_tracks
from napari_sam_onnx.stacks.tracks.link import link_tracks
from napari_sam_onnx.stacks.tracks.objects import measure_objects
from napari_sam_onnx.stacks.tracks.parameters import TrackParameters
from napari_sam_onnx.stacks.tracks.tracks import Tracks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.planes import PlaneSink
    from napari_sam_onnx.stacks.tracks.objects import FrameObjects


def check_frames(axes: str, shape: Sequence[int]) -> None:
    """Refuse stacks that have no time, or run along more than time and depth.

    Parameters
    ----------
    axes : str
        Those that number the planes.
    shape : sequence of int
        Planes along each; an axis of one plane is no more.

    Raises
    ------
    ImageError
    """
    long = {axis for axis, size in zip(axes, shape, strict=True) if size > 1 or axis in "TZ"}
    if long not in ({"T"}, {"T", "Z"}):
        raise ImageError(
            f"Tracks run along T, through planes or volumes; the labels run along "
            f"{tell_axes(axes)}."
        )


class Frames:
    """The frames of a series of planes or volumes, read and written by their number.

    Parameters
    ----------
    sink : PlaneSink
        Labels with an axis T, perhaps Z, and no other of more than one plane.

    Raises
    ------
    ImageError
        If it has other axes.
    """

    def __init__(self, sink: PlaneSink) -> None:
        check_frames(sink.axes, sink.shape)
        self._sink = sink
        self.count = sink.shape[sink.axes.index("T")]
        self._depth = sink.shape[sink.axes.index("Z")] if "Z" in sink.axes else 0

    def read(self, frame: int) -> NDArray[np.uint32]:
        """Read the labels of a frame, (H, W) or (Z, H, W)."""
        if not self._depth:
            return self._sink.read(self.index(frame, 0))
        return np.stack([self._sink.read(self.index(frame, z)) for z in range(self._depth)])

    def write(self, frame: int, labels: NDArray[np.uint32]) -> None:
        """Write the labels of a frame."""
        if not self._depth:
            self._sink.write(self.index(frame, 0), labels)
            return
        for z, plane in enumerate(labels):
            self._sink.write(self.index(frame, z), plane)

    def index(self, frame: int, z: int = 0) -> tuple[int, ...]:
        """Return the index of a plane in the sink."""
        at = {"T": frame, "Z": z}
        return tuple(at.get(axis, 0) for axis in self._sink.axes)


def follow_objects(
    sink: PlaneSink, parameters: TrackParameters | None = None, thickness: float = 1.0
) -> Tracks:
    """Give every object of a series the number of its track, in place.

    Parameters
    ----------
    sink : PlaneSink
        Labels with an axis T, perhaps Z. Objects that belong to no track are removed, gaps are
        filled in.
    parameters : TrackParameters, optional
    thickness : float
        Of volumes: the distance between planes in pixels.

    Returns
    -------
    Tracks
        Of the labels as they are now.
    """
    linked = find_tracks(sink, parameters, thickness)
    write_tracks(sink, linked, thickness)
    return measure_tracks(sink, linked.parents, thickness)


def find_tracks(
    sink: PlaneSink, parameters: TrackParameters | None = None, thickness: float = 1.0
) -> Tracks:
    """Say which objects of a series belong to one track; see `follow_objects`."""
    settings = TrackParameters() if parameters is None else parameters
    return link_tracks(measure_frames(sink, settings, thickness), settings)


def measure_frames(
    sink: PlaneSink, parameters: TrackParameters, thickness: float = 1.0
) -> FrameObjects:
    """Measure the objects of all frames, with overlaps across the gaps that are allowed."""
    frames = Frames(sink)
    return measure_objects(frames.read, frames.count, parameters.max_gap, _spacing(sink, thickness))


def write_tracks(sink: PlaneSink, linked: Tracks, thickness: float = 1.0) -> None:
    """Give the labels that tracks were found among the numbers of their tracks."""
    frames, spacing = Frames(sink), _spacing(sink, thickness)
    draw_tracks(linked, frames.read, frames.write, frames.count, spacing)


def measure_tracks(
    sink: PlaneSink, parents: Mapping[int, int] | None = None, thickness: float = 1.0
) -> Tracks:
    """Take labels whose numbers are tracks already.

    Parameters
    ----------
    sink : PlaneSink
    parents : mapping of int to int, optional
        Divisions.
    thickness : float
        Centres are in pixels of a plane with it, along z in planes where it is 1.
    """
    frames = Frames(sink)
    drawn = measure_objects(frames.read, frames.count, 0, _spacing(sink, thickness))
    return Tracks(drawn, drawn.labels.copy(), dict(parents or {}))


def _spacing(sink: PlaneSink, thickness: float) -> tuple[float, ...] | None:
    return (thickness, 1.0, 1.0) if "Z" in sink.axes else None
