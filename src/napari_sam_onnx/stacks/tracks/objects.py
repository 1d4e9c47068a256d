"""Label images of a series -> a table of objects, and which overlap from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.labels.linking import count_overlaps, measure_areas

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class FrameObjects:
    """Objects of all frames, one row each, ordered by frame and label.

    Parameters
    ----------
    frames, labels : (N,) int64
        Where each object is found.
    centers : (N, D) float64
        ``(y, x)`` or ``(z, y, x)``, in pixels of a plane.
    sizes : (N,) int64
        Pixels or voxels.
    overlaps : mapping of (int, int) to int
        Pixels shared by two rows, the earlier first, of frames that are near enough.
    looks : (N, C) float64, optional
        What a model sees in each object, of length 1.
    """

    frames: NDArray[np.int64]
    labels: NDArray[np.int64]
    centers: NDArray[np.float64]
    sizes: NDArray[np.int64]
    overlaps: Mapping[tuple[int, int], int]
    looks: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def usual_size(self) -> float:
        """Size of the object that the median pixel of all objects belongs to.

        Debris, of which there may be much, hardly counts.
        """
        if not len(self):
            return 1.0
        sizes = np.sort(self.sizes)
        sums = np.cumsum(sizes)
        return float(sizes[np.searchsorted(sums, sums[-1] / 2)])

    @property
    def diameter(self) -> float:
        """Diameter of the disc or ball of the usual size."""
        size = self.usual_size
        if self.centers.shape[1] == 2:
            return float(2 * np.sqrt(size / np.pi))
        return float(np.cbrt(6 * size / np.pi))


def measure_objects(
    read: Callable[[int], NDArray[np.integer]],
    count: int,
    max_gap: int = 0,
    spacing: Sequence[float] | None = None,
) -> FrameObjects:
    """Measure the objects of a series, a frame at a time.

    Parameters
    ----------
    read : callable
        Takes the number of a frame, returns its labels, (H, W) or (Z, H, W).
    count : int
        Frames.
    max_gap : int
        Overlaps are counted between frames that are up to one more than this apart; so many
        frames are in memory.
    spacing : sequence of float, optional
        Pixels of a plane per step along each axis of a frame: of volumes with thick planes.
    """
    rows: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    overlaps: dict[tuple[int, int], int] = {}
    kept: list[tuple[NDArray[np.integer], int, NDArray[np.int64]]] = []
    first = 0
    for number in range(count):
        labels = read(number)
        ids, sizes = measure_areas(labels)
        rows.append((ids, sizes, _find_centers(labels, ids, spacing)))
        for earlier, start, earlier_ids in kept:
            a, b, shared = count_overlaps(earlier, labels)
            before = start + np.searchsorted(earlier_ids, a)
            after = first + np.searchsorted(ids, b)
            overlaps.update(
                zip(zip(before.tolist(), after.tolist(), strict=True), shared.tolist(), strict=True)
            )
        kept = [*kept, (labels, first, ids)][-(max_gap + 1) :]
        first += len(ids)
    dimensions = kept[-1][0].ndim if kept else 2
    none = np.zeros(0, np.int64)
    return FrameObjects(
        np.concatenate([none, *(np.full(len(r[0]), t, np.int64) for t, r in enumerate(rows))]),
        np.concatenate([none, *(r[0] for r in rows)]),
        np.concatenate([np.zeros((0, dimensions)), *(r[2] for r in rows)]),
        np.concatenate([none, *(r[1] for r in rows)]),
        overlaps,
    )


def _find_centers(
    labels: NDArray[np.integer], ids: NDArray[np.int64], spacing: Sequence[float] | None
) -> NDArray[np.float64]:
    """Centre of mass of each object, (N, D)."""
    places = np.nonzero(labels)
    owner = np.searchsorted(ids, labels[places])
    sizes = np.maximum(np.bincount(owner, minlength=len(ids)), 1)
    scale = [1.0] * labels.ndim if spacing is None else list(spacing)
    sums = [
        np.bincount(owner, place, minlength=len(ids)) * step
        for place, step in zip(places, scale, strict=True)
    ]
    return np.stack(sums, axis=1) / sizes[:, None]
