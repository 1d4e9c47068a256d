"""A whole stack -> its labels, by any method, step by step: volumes, planes or tracks.

What the dock and the command line run. Planes are written as they are finished, so that what is
done stays where a run is ended early; what has the whole stack for its subject (stitching,
tracks) comes last and renumbers them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.automatic.settings.modes import make_parameters, split_limits
from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.generators import relay
from napari_sam_onnx.labels.linking import measure_areas
from napari_sam_onnx.stacks.automask import iterate_volumes, sees_volumes
from napari_sam_onnx.stacks.iterate import iterate_stack
from napari_sam_onnx.stacks.stitch import StitchParameters, stitch_planes
from napari_sam_onnx.stacks.tracks.follow import (
    Frames,
    check_frames,
    measure_frames,
    measure_tracks,
    write_tracks,
)
from napari_sam_onnx.stacks.tracks.link import check_library, link_tracks
from napari_sam_onnx.stacks.tracks.looks import describe_objects
from napari_sam_onnx.stacks.tracks.parameters import TrackParameters
from napari_sam_onnx.stacks.tracks.recover import recover_lost
from napari_sam_onnx.stacks.volumes import VolumeParameters, measure_thickness

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_sam_onnx.models import Model
    from napari_sam_onnx.planes import PlaneSink, PlaneSource
    from napari_sam_onnx.stacks.iterate import StackUpdate
    from napari_sam_onnx.stacks.tracks.tracks import Tracks
    from napari_sam_onnx.stacks.volumes import VolumeStep

LINKING, RECOVERING = "linking objects", "looking for lost objects"
DRAWING = "drawing them"

WHOLE_METHODS = ("volume", "planes", "stitched", "tracks")


@dataclass(frozen=True, slots=True)
class WholeRequest:
    """How a whole stack is looked at.

    Parameters
    ----------
    method : {"volume", "planes", "stitched", "tracks"}
        Tracks of a stack with Z are those of volumes; stitched planes are a volume by any model.
    mode : str or None
        Of planes, see `iterate_stack`.
    settings : mapping of str to value
        Of that mode.
    link : str or None
        Of planes.
    volume : VolumeParameters
        For models that give maps.
    stitch : StitchParameters
        For volumes by other models, whose planes are put together.
    tracks : TrackParameters
    thickness : float or None
        Distance between planes in pixels; None: what the picture says, or what objects look like.
    """

    method: str
    mode: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    link: str | None = None
    volume: VolumeParameters = field(default_factory=VolumeParameters)
    stitch: StitchParameters = field(default_factory=StitchParameters)
    tracks: TrackParameters = field(default_factory=TrackParameters)
    thickness: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as values that JSON knows."""
        return {**asdict(self), "settings": dict(self.settings)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WholeRequest:
        """Read what `to_dict` gives.

        Raises
        ------
        ParameterError
            If something is missing, unknown or out of range.
        """
        given = dict(values)
        try:
            for name, kind in _PARTS.items():
                given[name] = kind(**given.get(name, {}))
            made = cls(**given)
            settings, limits = split_limits(made.mode, dict(made.settings))
        except TypeError as error:
            raise ParameterError(
                "How the whole stack was looked at is not said in full, or has something unknown."
            ) from error
        if made.method not in WHOLE_METHODS:
            raise ParameterError(f"A stack cannot be looked at as {made.method!r} here.")
        if made.mode is not None:
            make_parameters(made.mode, **settings)
        Selection().change(**limits)
        return made


_PARTS: dict[str, Any] = {
    "volume": VolumeParameters,
    "stitch": StitchParameters,
    "tracks": TrackParameters,
}


@dataclass(frozen=True, slots=True)
class WholeStep:
    """How far a run has come.

    Parameters
    ----------
    done : float
        Finished parts of the work, of `total`.
    total : int
    planes : int
        Planes whose labels are written.
    of : int
        Planes in all.
    fresh : bool
        Whether labels were written since the step before.
    what : {"", "linking objects", "looking for lost objects", "drawing them"}
        What is being done, where it is not planes.
    draft : bool
        Whether the fresh labels are a first partition of a volume, that others will replace.
    """

    done: float
    total: int
    planes: int
    of: int
    fresh: bool = False
    what: str = ""
    draft: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class WholeResult:
    """What a run has made.

    Parameters
    ----------
    count : int
        Objects, or tracks.
    tracks : Tracks or None
        Of a series, their centres in planes and pixels.
    """

    count: int
    tracks: Tracks | None = None


def check_whole(source: PlaneSource, request: WholeRequest) -> None:
    """Refuse what cannot be done before work begins.

    Raises
    ------
    ImageError, TrackError
        If the stack has not the axes, or a library is missing.
    """
    if request.method == "tracks":
        check_library()
        check_frames(source.axes, source.shape)


def iterate_whole(
    source: PlaneSource,
    sink: PlaneSink,
    model: Model,
    request: WholeRequest,
    draft: bool = False,
) -> Generator[WholeStep, None, WholeResult]:
    """Label a whole stack.

    Closing the generator stops the run at its next step; what is written stays.

    Parameters
    ----------
    source : PlaneSource
    sink : PlaneSink
        Labels of the same planes, all 0.
    model : Model
    request : WholeRequest
    draft : bool
        Whether a first partition of volumes is written before they are done, see
        `napari_sam_onnx.stacks.volumes.run.iterate_volume`.

    Yields
    ------
    WholeStep

    Returns
    -------
    WholeResult
        The generator's value.
    """
    check_whole(source, request)
    if request.method == "planes":
        count = yield from _label_planes(source, sink, model, request, request.link)
        return WholeResult(count)
    volume = request.method in ("volume", "stitched")
    if volume or _is_deep(source):
        count = yield from _label_volumes(source, sink, model, request, draft)
        if volume:
            return WholeResult(count)
    else:
        # linked by overlap, so that what an early end leaves is in order
        yield from _label_planes(source, sink, model, request, "t")
    return (yield from iterate_tracks(source, sink, request, model))


def iterate_tracks(
    source: PlaneSource, sink: PlaneSink, request: WholeRequest, model: Model | None = None
) -> Generator[WholeStep, None, WholeResult]:
    """Make tracks of labels that there are.

    After the step `DRAWING` labels are renumbered, to the end.

    Parameters
    ----------
    source, sink : PlaneSource, PlaneSink
    request : WholeRequest
    model : Model, optional
        Looks again for objects that were missed, see `TrackParameters.recover`; else nobody does.
    """
    check_whole(source, request)
    planes = int(np.prod(sink.shape))
    yield WholeStep(0, 1, planes, planes, what=LINKING)
    thickness = request.thickness or measure_thickness(source) or 1.0
    frames, cache = Frames(sink), EmbeddingCache()

    def read_picture(frame: int) -> NDArray[np.uint8]:
        return source.read(frames.index(frame))

    def tell(step: tuple[int, int]) -> WholeStep:
        return WholeStep(step[0], step[1], planes, planes, fresh=True, what=RECOVERING)

    def tell_looks(step: tuple[int, int]) -> WholeStep:
        return WholeStep(step[0], step[1], planes, planes, what=LINKING)

    def find() -> Generator[WholeStep, None, Tracks]:
        objects = measure_frames(sink, request.tracks, thickness)
        if model is not None and request.tracks.looks and not _is_deep(source):
            steps = describe_objects(objects, frames.read, read_picture, model, cache)
            objects = yield from relay(steps, tell_looks)
        return link_tracks(objects, request.tracks)

    linked = yield from find()
    if model is not None and request.tracks.recover and not _is_deep(source):
        steps = recover_lost(
            linked,
            frames.read,
            frames.write,
            read_picture,
            frames.count,
            model,
            request.tracks.recover,
            cache,
        )
        if (yield from relay(steps, tell)):
            linked = yield from find()
    yield WholeStep(0, 1, planes, planes, what=DRAWING)
    write_tracks(sink, linked, thickness)
    tracks = measure_tracks(sink, linked.parents)
    yield WholeStep(1, 1, planes, planes, fresh=True, what=DRAWING)
    return WholeResult(len(tracks.ids), tracks)


def _is_deep(source: PlaneSource) -> bool:
    """Whether there is a volume, and not one plane."""
    return "Z" in source.axes and source.shape[source.axes.index("Z")] > 1


def iterate_stitched(
    source: PlaneSource, sink: PlaneSink, request: WholeRequest
) -> Generator[WholeStep, None, WholeResult]:
    """Put sections of planes that there are together to objects of volumes."""
    planes = int(np.prod(sink.shape))
    yield WholeStep(0, 1, planes, planes, what=DRAWING)
    count, _ = stitch_planes(sink, request.stitch, source)
    yield WholeStep(1, 1, planes, planes, fresh=True, what=DRAWING)
    return WholeResult(count)


def _label_planes(
    source: PlaneSource,
    sink: PlaneSink,
    model: Model,
    request: WholeRequest,
    link: str | None,
) -> Generator[WholeStep, None, int]:
    """Write planes one by one; count the objects."""
    objects: set[int] = set()

    def write(update: StackUpdate) -> WholeStep:
        inside = 0.0
        if update.labels is not None:
            sink.write(update.index, update.labels)
            objects.update(measure_areas(update.labels)[0].tolist())
        elif update.step is not None and update.step.total:
            inside = min(1.0, update.step.done / update.step.total)
        fresh = update.labels is not None
        return WholeStep(update.done + inside, update.total, update.done, update.total, fresh)

    steps = iterate_stack(source, model, None, link, request.mode, **request.settings)
    yield from relay(steps, write)
    return len(objects)


def _label_volumes(
    source: PlaneSource, sink: PlaneSink, model: Model, request: WholeRequest, draft: bool
) -> Generator[WholeStep, None, int]:
    """Label volumes as a whole, or, by a model that cannot, plane by plane and stitched."""
    if request.method == "stitched" or not sees_volumes(model):
        yield from _label_planes(source, sink, model, request, "z")
        result = yield from iterate_stitched(source, sink, request)
        return result.count
    planes = int(np.prod(sink.shape))

    def tell(step: VolumeStep) -> WholeStep:
        return WholeStep(step.done, step.total, step.finished, planes, step.fresh, draft=step.draft)

    steps = iterate_volumes(source, sink, model, request.volume, request.thickness, draft=draft)
    return (yield from relay(steps, tell))
