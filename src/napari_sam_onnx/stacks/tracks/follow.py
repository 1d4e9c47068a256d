"""Labels of a series -> labels whose numbers are tracks, through a source of planes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.image import ImageError
from napari_sam_onnx.stacks.tracks.draw import draw_tracks
from napari_sam_onnx.stacks.tracks.link import link_tracks
from napari_sam_onnx.stacks.tracks.objects import measure_objects
from napari_sam_onnx.stacks.tracks.parameters import TrackParameters
from napari_sam_onnx.stacks.tracks.tracks import Tracks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.planes import PlaneSink


class Frames:
    """The frames of a series of planes or volumes, read and written by their number.

    Parameters
    ----------
    sink : PlaneSink
        Labels with an axis T, perhaps Z, and no other.

    Raises
    ------
    ImageError
        If it has other axes.
    """

    def __init__(self, sink: PlaneSink) -> None:
        if set(sink.axes) not in ({"T"}, {"T", "Z"}):
            raise ImageError(
                f"Tracks run along T, through planes or volumes; the labels run along "
                f"{sink.axes or 'no axis'!r}."
            )
        self._sink = sink
        self.count = sink.shape[sink.axes.index("T")]
        self._depth = sink.shape[sink.axes.index("Z")] if "Z" in sink.axes else 0

    def read(self, frame: int) -> NDArray[np.uint32]:
        """Read the labels of a frame, (H, W) or (Z, H, W)."""
        if not self._depth:
            return self._sink.read((frame,))
        return np.stack([self._sink.read(self._index(frame, z)) for z in range(self._depth)])

    def write(self, frame: int, labels: NDArray[np.uint32]) -> None:
        """Write the labels of a frame."""
        if not self._depth:
            self._sink.write((frame,), labels)
            return
        for z, plane in enumerate(labels):
            self._sink.write(self._index(frame, z), plane)

    def _index(self, frame: int, z: int) -> tuple[int, int]:
        return (frame, z) if self._sink.axes == "TZ" else (z, frame)


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
    settings = TrackParameters() if parameters is None else parameters
    frames = Frames(sink)
    spacing = (thickness, 1.0, 1.0) if "Z" in sink.axes else None
    objects = measure_objects(frames.read, frames.count, settings.max_gap, spacing)
    linked = link_tracks(objects, settings)
    draw_tracks(linked, frames.read, frames.write, frames.count, spacing)
    drawn = measure_objects(frames.read, frames.count, 0, spacing)
    return Tracks(drawn, drawn.labels.copy(), linked.parents)
