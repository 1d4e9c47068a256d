"""Tracks as files: the Cell Tracking Challenge's format and CSV, out and in.

The challenge's format is a folder with a TIFF per frame (``mask000.tif`` of results,
``man_track000.tif`` of truths) whose numbers are tracks, and a text file (``res_track.txt``,
``man_track.txt``) with a line ``L B E P`` for each: its number, its first and last frame, and the
track that it came of or 0.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.stacks.tracks.objects import measure_objects
from napari_sam_onnx.stacks.tracks.tracks import TrackError, Tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from numpy.typing import NDArray

_KINDS = (("res_track.txt", "mask"), ("man_track.txt", "man_track"))


def write_ctc(
    folder: str | PathLike[str],
    tracks: Tracks,
    read: Callable[[int], NDArray[np.integer]],
    count: int,
) -> None:
    """Write tracks in the format of the Cell Tracking Challenge.

    Parameters
    ----------
    folder : path
        A new or an empty folder.
    tracks : Tracks
    read : callable
        Takes the number of a frame, returns labels whose numbers are tracks.
    count : int
        Frames.

    Raises
    ------
    TrackError
        If the folder holds something, or a number does not fit into 16 bit.
    """
    import tifffile

    place = Path(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise TrackError(f"{place} holds something already; name a new folder.")
    spans = tracks.spans
    if spans and max(spans) > np.iinfo(np.uint16).max:
        raise TrackError(f"The format holds tracks up to 65535 and there is {max(spans)}.")
    place.mkdir(parents=True, exist_ok=True)
    digits = max(3, len(str(count - 1)))
    for frame in range(count):
        labels = read(frame).astype(np.uint16)
        tifffile.imwrite(place / f"mask{frame:0{digits}d}.tif", labels, compression="zlib")
    lines = [
        f"{number} {start} {stop} {tracks.parents.get(number, 0)}"
        for number, (start, stop) in spans.items()
    ]
    (place / "res_track.txt").write_text("".join(f"{line}\n" for line in lines))


def read_ctc(folder: str | PathLike[str]) -> tuple[NDArray[np.uint16], Tracks]:
    """Read a folder in the format of the Cell Tracking Challenge, a result or a truth.

    Returns
    -------
    labels : (T, …) uint16
        Numbers are tracks.
    tracks : Tracks

    Raises
    ------
    TrackError
        If the folder holds neither, or what it holds does not fit together.
    """
    import tifffile

    place = Path(folder)
    kinds = [kind for kind in _KINDS if (place / kind[0]).is_file()]
    if not kinds:
        raise TrackError(f"{place} holds no res_track.txt and no man_track.txt.")
    table, stem = kinds[0]
    numbered = {
        int(found[1]): path
        for path in sorted(place.iterdir())
        if (found := re.fullmatch(rf"{stem}(\d+)\.tif", path.name))
    }
    if sorted(numbered) != list(range(len(numbered))) or not numbered:
        raise TrackError(f"{place} lacks frames: {stem}000.tif and all that follow it are needed.")
    frames = [tifffile.imread(numbered[frame]) for frame in range(len(numbered))]
    if len({frame.shape for frame in frames}) != 1:
        raise TrackError(f"The frames in {place} are not of one size.")
    labels = np.stack(frames).astype(np.uint16)
    parents = {}
    for line in (place / table).read_text().splitlines():
        if not line.strip():
            continue
        try:
            number, _, _, parent = (int(word) for word in line.split())
        except ValueError as error:
            raise TrackError(f"{table} has a line that is not four numbers: {line!r}.") from error
        if parent:
            parents[number] = parent
    objects = measure_objects(lambda frame: labels[frame], len(labels))
    return labels, Tracks(objects, objects.labels.copy(), parents)


def write_csv(path: str | PathLike[str], tracks: Tracks) -> None:
    """Write a table: a row for each object of a track, in the order of tracks and frames.

    The columns are ``track, frame, label, z, y, x, size, parent``; z for volumes alone. ``parent``
    is 0 where a track came of none.
    """
    objects = tracks.objects
    axes = "zyx"[-objects.centers.shape[1] :]
    of_track = np.flatnonzero(tracks.track)
    order = of_track[np.lexsort((objects.frames[of_track], tracks.track[of_track]))]
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["track", "frame", "label", *axes, "size", "parent"])
        for row in order.tolist():
            number = int(tracks.track[row])
            writer.writerow(
                [
                    number,
                    int(objects.frames[row]),
                    int(objects.labels[row]),
                    *(f"{c:.3f}" for c in objects.centers[row]),
                    int(objects.sizes[row]),
                    tracks.parents.get(number, 0),
                ]
            )


def read_csv(path: str | PathLike[str]) -> Tracks:
    """Read what `write_csv` wrote.

    Raises
    ------
    TrackError
        If a column is missing or holds no number.
    """
    from napari_sam_onnx.stacks.tracks.objects import FrameObjects

    with Path(path).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        named = set(reader.fieldnames or ())
        missing = {"track", "frame", "label", "y", "x", "size", "parent"} - named
        if missing:
            raise TrackError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
        axes = [axis for axis in "zyx" if axis in named]
        rows = list(reader)
    try:
        whole = np.array(
            [[int(row[n]) for n in ("track", "frame", "label", "size", "parent")] for row in rows],
            np.int64,
        ).reshape(-1, 5)
        centers = np.array([[float(row[axis]) for axis in axes] for row in rows], float)
    except ValueError as error:
        raise TrackError(
            f"{path} holds something that is no number in a column of numbers."
        ) from error
    track, frames, labels, sizes, parent = whole.T
    objects = FrameObjects(frames, labels, centers.reshape(-1, len(axes)), sizes, {})
    parents = {int(t): int(p) for t, p in zip(track, parent, strict=True) if p}
    return Tracks(objects, track, parents)
