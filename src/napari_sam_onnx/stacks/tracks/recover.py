"""Objects that were not found in a frame, looked for again where their track says they should be.

A track that is lost in the middle is carried on, and one that begins in the middle carried back:
its last mask prompts the next frame, see `napari_sam_onnx.stacks.carry`. What is found and lies on
no other object becomes one of the frame's objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.stacks.carry import iterate_carry
from napari_sam_onnx.stacks.carry_parameters import CarryParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.stacks.tracks.tracks import Tracks

TAKEN = 0.3
"""What shares more of itself with another object is that one, or a part of it."""

STRICT = CarryParameters(min_iou=0.5, max_change=1.6, min_size=0.3, neck=0.0)


def recover_lost(
    tracks: Tracks,
    read: Callable[[int], NDArray[np.uint32]],
    write: Callable[[int, NDArray[np.uint32]], None],
    read_picture: Callable[[int], NDArray[np.uint8]],
    count: int,
    model: Model,
    reach: int,
    cache: EmbeddingStore | None = None,
) -> Generator[tuple[int, int], None, int]:
    """Look for the objects of tracks in the frames after their end and before their beginning.

    Parameters
    ----------
    tracks : Tracks
        Of planes.
    read, write : callable
        The labels of a frame, (H, W), which the tracks were found among.
    read_picture : callable
        A frame as a model sees it.
    count : int
        Frames.
    model : Model
    reach : int
        Through how many frames an object is carried at most.
    cache : EmbeddingStore, optional

    Yields
    ------
    done, total : int
        Ends of tracks.

    Returns
    -------
    int
        The generator's value: how many objects were found.
    """
    store: EmbeddingStore = EmbeddingCache() if cache is None else cache
    ends = list(_find_ends(tracks, count))
    next_label = int(max((read(frame).max() for frame in range(count)), default=0)) + 1
    found = 0
    for done, (row, way) in enumerate(ends):
        frame, label = int(tracks.objects.frames[row]), int(tracks.objects.labels[row])
        stop = min(max(frame + way * reach, 0), count - 1)
        known = {frame: Mask.from_array(read(frame) == label)}
        span = (min(frame, stop), max(frame, stop))
        for step in iterate_carry(
            read_picture, count, model, known, STRICT, span=span, cache=store
        ):
            if step.mask is None:
                break
            labels = np.array(read(step.plane))
            there = labels[step.mask.slices]
            free = step.mask.crop & (there == 0)
            if free.sum() < (1 - TAKEN) * step.mask.area:
                break
            there[free] = next_label
            write(step.plane, labels)
            next_label, found = next_label + 1, found + 1
        yield done + 1, len(ends)
    return found


def _find_ends(tracks: Tracks, count: int) -> list[tuple[int, int]]:
    """List the rows at which tracks begin or end in the middle, and the way on from there."""
    frames, mothers = tracks.objects.frames, set(tracks.parents.values())
    ends = []
    for number in tracks.ids.tolist():
        rows = np.flatnonzero(tracks.track == number)
        rows = rows[np.argsort(frames[rows])]
        if frames[rows[0]] > 0 and number not in tracks.parents:
            ends.append((int(rows[0]), -1))
        if frames[rows[-1]] < count - 1 and number not in mothers:
            ends.append((int(rows[-1]), 1))
    return ends
