"""Objects of a time series -> tracks: who is who from frame to frame, and who divided."""

from napari_sam_onnx.stacks.tracks.follow import Frames, follow_objects
from napari_sam_onnx.stacks.tracks.formats import read_csv, read_ctc, write_csv, write_ctc
from napari_sam_onnx.stacks.tracks.link import check_library, count_tracks, link_tracks
from napari_sam_onnx.stacks.tracks.objects import measure_objects
from napari_sam_onnx.stacks.tracks.parameters import TrackParameters
from napari_sam_onnx.stacks.tracks.tracks import TrackError, Tracks, tracks_from_labels

__all__ = [
    "Frames",
    "TrackError",
    "TrackParameters",
    "Tracks",
    "check_library",
    "count_tracks",
    "follow_objects",
    "link_tracks",
    "measure_objects",
    "read_csv",
    "read_ctc",
    "tracks_from_labels",
    "write_csv",
    "write_ctc",
]
