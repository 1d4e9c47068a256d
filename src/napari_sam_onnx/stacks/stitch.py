"""Labels of planes -> objects of a volume: by overlap, over gaps, with a least extent.

For planes that were segmented one by one, by any model or hand. What overlaps most from plane to
plane is one object; one that is missing in a few planes is taken up again and filled in there.
Where two objects meet one, the better pair goes on and the other is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.settings.declare import ParameterError, check_fields, declare
from napari_sam_onnx.labels.linking import match_pairs
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.stacks.profile import measure_rises, shape_chain
from napari_sam_onnx.stacks.tracks.draw import draw_tracks
from napari_sam_onnx.stacks.tracks.objects import measure_objects
from napari_sam_onnx.stacks.tracks.tracks import Tracks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.planes import PlaneSink, PlaneSource
    from napari_sam_onnx.stacks.tracks.objects import FrameObjects

HALF = 0.5
"""An object meets another where they share this part of the smaller."""


@dataclass(frozen=True, slots=True)
class StitchParameters:
    """How sections of planes are put together."""

    min_iou: float = declare(
        0.1,
        "Sections of neighbouring planes whose IoU is lower are not of one object.",
        label="Least overlap",
        min=0.01,
        max=1.0,
        step=0.05,
    )
    gap: int = declare(
        1,
        "In how many planes an object may be missing; it is filled in there.",
        label="Largest gap",
        min=0,
        max=20,
        step=1,
        unit="planes",
    )
    min_planes: int = declare(
        2,
        "Objects seen in fewer planes are left out, where there are as many.",
        label="Fewest planes",
        min=1,
        max=1000,
        step=1,
        unit="planes",
    )
    min_voxels: int = declare(
        0,
        "Objects of fewer voxels are left out.",
        label="Smallest volume",
        min=0,
        max=1_000_000_000,
        step=1,
        unit="voxels",
    )

    min_um3: float = declare(
        0.0,
        "Objects of less volume are left out; for pictures that say how large a voxel is.",
        label="Smallest volume",
        min=0.0,
        max=1e12,
        step=1.0,
        unit="µm³",
    )
    end: float = declare(
        0.4,
        "An object ends where its contrast has faded to this part of its own best plane: what is "
        "beyond is out of focus; 0: it does not.",
        label="Faded at",
        min=0.0,
        max=0.95,
        step=0.05,
    )
    neck: float = declare(
        0.5,
        "What narrows between two planes to less than this part of both, in size times contrast, "
        "is two objects; 0: it is one.",
        label="Neck",
        min=0.0,
        max=1.0,
        step=0.05,
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two sections of one plane that overlap one section of a neighbouring plane.

    Parameters
    ----------
    kind : {"split", "merge"}
        Whether one becomes two with rising planes, or two become one.
    plane : int
        Of the two.
    objects : tuple of int
        The numbers that they have now; 0 for one that was left out.
    """

    kind: str
    plane: int
    objects: tuple[int, ...]


def stitch_planes(
    sink: PlaneSink,
    parameters: StitchParameters | None = None,
    source: PlaneSource | None = None,
) -> tuple[int, list[Meeting]]:
    """Give the sections of one object one number, in place.

    Parameters
    ----------
    sink : PlaneSink
        Labels with an axis Z; the numbers of a plane mean nothing beyond it. Along other axes
        there is one volume after another.
    parameters : StitchParameters, optional
    source : PlaneSource, optional
        The picture. Without it objects do not fade, and necks are those of their size alone.

    Returns
    -------
    count : int
        Objects.
    meetings : list of Meeting
        Where objects split and merge.

    Raises
    ------
    ImageError
        If the labels do not run along z.
    ParameterError
        If volumes are in µm³ and nobody says how large a voxel is.
    """
    if "Z" not in sink.axes:
        raise ImageError(f"Planes along Z are stitched; these run along {sink.axes or 'none'!r}.")
    settings = StitchParameters() if parameters is None else parameters
    axis = sink.axes.index("Z")
    least = max(settings.min_voxels, _to_voxels(settings.min_um3, source))
    count, meetings = 0, []
    for place in np.ndindex(*sink.shape[:axis], *sink.shape[axis + 1 :]):
        where = place[:axis], place[axis:]
        found, met = _stitch_volume(sink, where, settings, least, count, source)
        count += found
        meetings += met
    return count, meetings


def _stitch_volume(
    sink: PlaneSink,
    place: tuple[tuple[int, ...], tuple[int, ...]],
    settings: StitchParameters,
    least: float,
    taken: int,
    source: PlaneSource | None,
) -> tuple[int, list[Meeting]]:
    """Stitch the planes of one volume; numbers up to one are taken."""
    depth = sink.shape[len(place[0])]

    def read(z: int) -> NDArray[np.uint32]:
        return sink.read((*place[0], z, *place[1]))

    def write(z: int, labels: NDArray[np.uint32]) -> None:
        sink.write((*place[0], z, *place[1]), labels)

    objects = measure_objects(read, depth, settings.gap)
    rise = None
    if source is not None and (settings.end or settings.neck):
        rise = measure_rises(
            objects, read, lambda z: source.read((*place[0], z, *place[1])).mean(axis=2)
        )
    chains: list[list[int]] = []
    for chain in _chain(objects, settings):
        chains += shape_chain(chain, objects.sizes, rise, settings.end, settings.neck)
    number = np.zeros(len(objects), np.int64)
    count = 0
    for chain in chains:
        long = len(chain) >= min(settings.min_planes, depth)
        if long and objects.sizes[chain].sum() >= least:
            count += 1
            number[chain] = taken + count
    draw_tracks(Tracks(objects, number, {}), read, write, depth)
    return count, _find_meetings(objects, number)


def _to_voxels(volume: float, source: PlaneSource | None) -> float:
    """Turn µm³ into voxels."""
    if not volume:
        return 0.0
    size = {} if source is None else source.pixel_size
    if not {"Z", "Y", "X"} <= set(size):
        raise ParameterError(
            "The picture does not say how large a voxel is; give the smallest volume in voxels."
        )
    return volume / (size["Z"] * size["Y"] * size["X"])


def _chain(objects: FrameObjects, settings: StitchParameters) -> list[list[int]]:
    """Chain sections of one object: neighbouring planes first, then over ever larger gaps."""
    count = len(objects)
    following, preceding = np.full(count, -1), np.full(count, -1)
    pairs = np.array(list(objects.overlaps), np.int64).reshape(-1, 2)
    shared = np.array(list(objects.overlaps.values()), np.int64)
    before, after = pairs.T
    iou = shared / (objects.sizes[before] + objects.sizes[after] - shared)
    steps = objects.frames[after] - objects.frames[before]
    for step in range(1, settings.gap + 2):
        open_pairs = (steps == step) & (iou >= settings.min_iou)
        open_pairs &= (following[before] < 0) & (preceding[after] < 0)
        near = np.flatnonzero(open_pairs)
        chosen = near[match_pairs(before[near], after[near], iou[near])]
        following[before[chosen]] = after[chosen]
        preceding[after[chosen]] = before[chosen]
    chains = []
    for row in np.flatnonzero(preceding < 0).tolist():
        chain = [row]
        while following[chain[-1]] >= 0:
            chain.append(int(following[chain[-1]]))
        chains.append(chain)
    return chains


def _find_meetings(objects: FrameObjects, number: NDArray[np.int64]) -> list[Meeting]:
    """List the sections that meet two of a neighbouring plane."""
    ahead: dict[int, list[int]] = {}
    behind: dict[int, list[int]] = {}
    for (before, after), shared in objects.overlaps.items():
        if objects.frames[after] - objects.frames[before] != 1:
            continue
        if shared >= HALF * min(objects.sizes[before], objects.sizes[after]):
            ahead.setdefault(before, []).append(after)
            behind.setdefault(after, []).append(before)
    found = []
    for kind, table in (("split", ahead), ("merge", behind)):
        for others in table.values():
            if len(others) > 1:
                numbers = tuple(sorted(int(number[row]) for row in others))
                found.append(Meeting(kind, int(objects.frames[others[0]]), numbers))
    return sorted(found, key=lambda meeting: (meeting.plane, meeting.kind, meeting.objects))
