"""A stack of planes -> its labels, by any method, with a bar that tells how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from napari_sam_onnx.automatic import (
    ParameterError,
    iterate_labels,
    make_parameters,
    split_limits,
)
from napari_sam_onnx.automatic.where import make_place
from napari_sam_onnx.cache import open_cache
from napari_sam_onnx.cli.given import load_labels, read_labels
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.generators import drive
from napari_sam_onnx.labels.label_image import check_label
from napari_sam_onnx.labels.label_store import find_largest
from napari_sam_onnx.labels.linking import measure_areas
from napari_sam_onnx.pictures.picture_file import read_picture
from napari_sam_onnx.stacks import (
    StitchParameters,
    are_of_planes,
    choose_method,
    count_depth,
    iterate_stack,
    iterate_volumes,
    make_volume_parameters,
    split_stitching,
    stitch_planes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.taught.learn import Judge
    from napari_sam_onnx.automatic.where import Place
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.pieces import Workshop
    from napari_sam_onnx.planes import ArrayPlanes, PlaneSink
    from napari_sam_onnx.stacks import Link


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """What is wanted of each picture, see `napari_sam_onnx.cli.commands.segment.segment`."""

    axes: str | None = None
    channels: tuple[Channel, ...] | None = None
    view: str = ""
    project: str = ""
    mode: str | None = None
    boxes: Path | None = None
    link: Link | None = None
    diameter: tuple[float, str] | None = None
    method: str | None = None
    z_spacing: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    inside: Path | None = None
    fill: Path | None = None
    judge: Judge | None = None
    force: bool = False
    quiet: bool = False
    resume: bool = False


def label_stack(
    planes: ArrayPlanes,
    sink: PlaneSink,
    model: Model,
    request: SegmentOptions,
    title: str,
    shop: Workshop | None = None,
) -> int:
    """Label planes one by one, or volumes, as the request or the stack asks; count the objects.

    Parameters
    ----------
    planes, sink, model, request
    title : str
        Of the bar.
    shop : Workshop, optional
        Who does planes, tiles and chunks.
    """
    stitch, others = split_stitching(request.settings)
    of_planes = (
        request.link is not None
        or request.mode is not None
        or request.inside is not None
        or request.fill is not None
        or request.judge is not None
        or are_of_planes(others)
    )
    if request.fill is not None and stitch:
        raise ParameterError(
            "What fills gaps is not stitched; link it along z (--link z), or leave --fill away."
        )
    method = choose_method(
        request.method,
        planes.axes,
        model,
        planes=of_planes,
        stitch=bool(stitch),
        depth=count_depth(planes, others),
    )
    if method == "volume":
        return _label_volumes(planes, sink, model, request, title, shop)
    if method == "stitched":
        return _label_stitched(planes, sink, model, request, title, shop)
    return _label_planes(planes, sink, model, request, title, shop)


def _label_stitched(
    planes: ArrayPlanes,
    sink: PlaneSink,
    model: Model,
    request: SegmentOptions,
    title: str,
    shop: Workshop | None,
) -> int:
    """Label planes one by one and put them together; count the objects."""
    if request.link is not None:
        raise ParameterError("Planes are linked or stitched; leave --link away.")
    stitch, others = split_stitching(request.settings)
    parameters = StitchParameters(**stitch)
    plain = replace(request, settings=others)
    _label_planes(planes, sink, model, plain, title, shop)
    count, meetings = stitch_planes(sink, parameters, planes)
    if meetings and not request.quiet:
        splits = sum(meeting.kind == "split" for meeting in meetings)
        say(
            f"{title}: objects split in {splits} and merge in {len(meetings) - splits} planes; "
            "look at these first"
        )
    return count


def _label_volumes(
    planes: ArrayPlanes,
    sink: PlaneSink,
    model: Model,
    request: SegmentOptions,
    title: str,
    shop: Workshop | None,
) -> int:
    """Label all volumes and count the objects; a bar counts the planes that are finished."""
    settings = make_volume_parameters(request.settings)
    steps = iterate_volumes(planes, sink, model, settings, request.z_spacing, shop)
    with _make_bar(request, title) as bar:
        return drive(steps, lambda step: _move(bar, step.done, step.total, "parts"))


def _label_planes(
    planes: ArrayPlanes,
    sink: PlaneSink,
    model: Model,
    request: SegmentOptions,
    title: str,
    shop: Workshop | None,
) -> int:
    """Label all planes and count the objects; a bar counts planes, or the steps of the only one."""
    objects: set[int] = set()
    kept = open_cache(0)
    where = _Places(planes, request.inside, request.fill)
    updates = iterate_stack(
        planes,
        model,
        None,
        request.link,
        request.mode,
        cache=kept,
        places=where.of if where else None,
        judge=request.judge,
        workshop=shop,
        **request.settings,
    )
    with _make_bar(request, title) as bar:
        for update in updates:
            if update.labels is not None:
                labels = where.add(update.index, update.labels)
                sink.write(update.index, labels)
                objects.update(measure_areas(labels)[0].tolist())
            if update.total > 1:
                _move(bar, update.done, update.total, "planes")
            elif update.step is not None:
                _move(bar, update.step.done, update.step.total, update.step.unit)
    return len(objects)


class _Places:
    """Where on each plane objects are looked for, as files of a plane or of the whole stack say.

    Parameters
    ----------
    planes : ArrayPlanes
        The picture.
    inside, fill : Path or None
        A region, nonzero where objects are looked for; labels that stay.
    """

    def __init__(self, planes: ArrayPlanes, inside: Path | None, fill: Path | None) -> None:
        self._planes = planes
        self._inside = None if inside is None else PlaneFile.open(inside, planes, "region")
        self._fill = None if fill is None else PlaneFile.open(fill, planes, "label image")
        self._start = 1
        if self._fill is not None:
            if self._fill.array.dtype.kind not in "ui":
                raise ParameterError("Existing labels are whole numbers, 0 where there is none.")
            self._start = check_label(find_largest(self._fill.array) + 1)

    def __bool__(self) -> bool:
        return self._inside is not None or self._fill is not None

    def of(self, index: tuple[int, ...]) -> Place | None:
        """Return the place of a plane."""
        inside, existing = (
            None if given is None else given.read(index) for given in (self._inside, self._fill)
        )
        return make_place(self._planes.plane_shape, inside, existing)

    def add(self, index: tuple[int, ...], labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Put new labels beside those of a plane that stay."""
        if self._fill is None:
            return labels
        together = self._fill.read(index).astype(np.uint32)
        new = labels > 0
        together[new] = labels[new] + np.uint32(self._start - 1)
        return together


@dataclass(frozen=True, slots=True, eq=False)
class PlaneFile:
    """Pixels of a file that belong to a stack: one plane for all planes, or one for each.

    Parameters
    ----------
    array : array
    label_axes, outer : str
        The axes of the stack's labels, and those that number its planes.
    whole : bool
        Whether there is a plane for each of the stack's.
    """

    array: Any
    label_axes: str
    outer: str
    whole: bool

    @classmethod
    def open(cls, path: Path, planes: ArrayPlanes, what: str) -> PlaneFile:
        """Open a file, or raise ParameterError where its size is not that of the stack."""
        array = read_picture(path).array if what == "region" else read_labels(path).array
        shape = tuple(array.shape)
        if shape not in (planes.plane_shape, planes.label_shape):
            shapes = {str(planes.label_shape): 0, str(planes.plane_shape): 0}
            raise ParameterError(
                f"The {what} {path.name} has the shape {shape} and the picture "
                f"{' or '.join(shapes)}; they must be of one size."
            )
        return cls(array, planes.label_axes, planes.axes, shape == planes.label_shape)

    def read(self, index: tuple[int, ...]) -> NDArray[Any]:
        """Read the plane that belongs to one of the stack, ``(H, W)``."""
        if not self.whole:
            return np.asarray(self.array)
        at = dict(zip(self.outer, index, strict=True))
        plane = np.asarray(self.array[tuple(at.get(axis, slice(None)) for axis in self.label_axes)])
        upright = self.label_axes.index("Y") < self.label_axes.index("X")
        return plane if upright else plane.T


def label_boxes(
    planes: ArrayPlanes, sink: PlaneSink, model: Model, request: SegmentOptions, boxes: Path
) -> int:
    """Redraw the objects of a label image on a single plane, and count them."""
    if planes.axes:
        raise ParameterError(f"Boxes are for a single plane; the picture is {planes.array_axes}.")
    given = load_labels(boxes)
    settings, limits = split_limits("boxes", request.settings)
    parameters = make_parameters("boxes", **settings)
    steps = iterate_labels(planes.read(()), model, parameters, boxes=given, limits=limits)
    with _make_bar(request, boxes.name) as bar:
        labels = drive(steps, lambda step: _move(bar, step.done, step.total, step.unit))
    sink.write((), labels)
    return len(measure_areas(labels)[0])


def _make_bar(request: SegmentOptions, title: str) -> tqdm[Any]:
    """Make a progress bar on standard error, where that is a terminal."""
    return tqdm(desc=title, disable=True if request.quiet else None, leave=False, unit="")


def _move(bar: tqdm[Any], done: int, total: int, unit: str) -> None:
    bar.total, bar.n, bar.unit = total or None, done, f" {unit}"
    bar.refresh()
