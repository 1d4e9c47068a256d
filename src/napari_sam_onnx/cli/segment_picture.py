"""One picture or stack -> its label image and its overlay, as files."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from tqdm import tqdm

from napari_sam_onnx.automatic import (
    ParameterError,
    automask,
    iterate_labels,
    make_parameters,
    split_limits,
)
from napari_sam_onnx.cache import open_cache
from napari_sam_onnx.cli.lengths import to_pixels
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.export.beside import write_beside
from napari_sam_onnx.export.images import check_label_path, write_labels, write_png
from napari_sam_onnx.generators import drive
from napari_sam_onnx.image import BlankError, ImageError, check_axes, infer_axes, insert_axes
from napari_sam_onnx.label_store import make_labels, remove_labels
from napari_sam_onnx.linking import measure_areas
from napari_sam_onnx.overlay import arrange_montage, draw_overlay
from napari_sam_onnx.picture_file import load_picture, read_picture
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.stacks import (
    StitchParameters,
    are_of_planes,
    choose_method,
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

    from napari_sam_onnx.cli.jobs import Job
    from napari_sam_onnx.image import Channel
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.picture_file import PictureFile
    from napari_sam_onnx.planes import PlaneSink, PlaneSource
    from napari_sam_onnx.stacks import Link

MONTAGE_PLANES = 9


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """What is wanted of each picture, see `napari_sam_onnx.cli.segment.segment`."""

    axes: str | None
    channels: tuple[Channel, ...] | None
    view: str
    mode: str | None
    boxes: Path | None
    link: Link | None
    diameter: tuple[float, str] | None
    method: str | None
    z_spacing: float | None
    settings: Mapping[str, Any]
    force: bool
    quiet: bool
    inside: Path | None = None
    fill: Path | None = None


def segment_picture(job: Job, model: Model, request: SegmentOptions) -> None:
    """Segment one picture or stack and write its files, all of them whole or none.

    Raises
    ------
    ImageError, ParameterError, PictureFileError
        If the picture, the request or a file does not allow it.
    """
    began = time.perf_counter()
    picture = read_picture(job.source)
    if request.diameter is not None:
        pixels = to_pixels(*request.diameter, picture.pixel_size)
        request = replace(request, settings={**request.settings, "diameter": pixels})
    planes = settle_axes(picture, request)
    check_label_path(job.labels, planes.label_axes if prod(planes.shape) > 1 else "YX")
    with ExitStack() as files:
        # Both are created before the work, so that it is not done in vain.
        labels_part = files.enter_context(write_beside(job.labels, overwrite=request.force))
        if job.preview is not None:
            preview_part = files.enter_context(write_beside(job.preview, overwrite=request.force))
        labels, place = make_labels(planes.label_shape)
        try:
            sink = ArrayLabels(labels, planes.label_axes)
            if request.inside is not None or request.fill is not None:
                count = _label_place(planes, sink, model, request, job.source.name)
            elif request.boxes is None:
                count = label_stack(planes, sink, model, request, job.source.name)
            else:
                count = _label_boxes(planes, sink, model, request, request.boxes)
            write_labels(labels_part, labels, planes.label_axes, picture.pixel_size)
            if job.preview is not None:
                write_png(preview_part, draw_preview(planes, sink))
        finally:
            remove_labels(place)
    if not request.quiet:
        if picture.others:
            say(f"{job.source.name}: of {picture.others + 1} pictures the first was used")
        seconds = time.perf_counter() - began
        say(f"{job.source.name}: {count} objects in {seconds:.1f} s -> {job.labels}")


class Shown(Protocol):
    """How a picture is shown to a model: what of the options `settle_axes` reads."""

    @property
    def axes(self) -> str | None:
        """One letter of ``TZCYX`` per dimension."""

    @property
    def channels(self) -> tuple[Channel, ...] | None:
        """The channels to show."""

    @property
    def view(self) -> Any:
        """Another way to see it."""


def settle_axes(picture: PictureFile, request: Shown) -> ArrayPlanes:
    """Name the axes and choose the channels, or say why that cannot be done."""
    shape, axes = picture.array.shape, request.axes or picture.axes
    if axes is None:
        try:
            axes = infer_axes(shape)
        except ImageError as error:
            raise ImageError(f"{str(error).rstrip('.')}: --axes.") from error
    array = picture.array
    if len(axes) > len(shape):  # readers leave out axes of one pixel
        own = picture.axes or ("YX" if len(shape) == 2 else "")
        array = insert_axes(array, own, axes.upper())
    named = check_axes(axes, array.ndim)
    return ArrayPlanes(
        array,
        named,
        request.channels,
        picture.pixel_size,
        request.view,
        samples=picture.samples,
    )


def label_stack(
    planes: ArrayPlanes, sink: PlaneSink, model: Model, request: SegmentOptions, title: str
) -> int:
    """Label planes one by one, or volumes, as the request or the stack asks; count the objects."""
    stitch, others = split_stitching(request.settings)
    of_planes = request.link is not None or request.mode is not None or are_of_planes(others)
    method = choose_method(
        request.method, planes.axes, model, planes=of_planes, stitch=bool(stitch)
    )
    if method == "volume":
        return _label_volumes(planes, sink, model, request, title)
    if method == "stitched":
        return _label_stitched(planes, sink, model, request, title)
    return _label_planes(planes, sink, model, request, title)


def _label_stitched(
    planes: ArrayPlanes, sink: PlaneSink, model: Model, request: SegmentOptions, title: str
) -> int:
    """Label planes one by one and put them together; count the objects."""
    if request.link is not None:
        raise ParameterError("Planes are linked or stitched; leave --link away.")
    stitch, others = split_stitching(request.settings)
    parameters = StitchParameters(**stitch)
    plain = replace(request, settings=others)
    _label_planes(planes, sink, model, plain, title)
    count, meetings = stitch_planes(sink, parameters, planes)
    if meetings and not request.quiet:
        splits = sum(meeting.kind == "split" for meeting in meetings)
        say(
            f"{title}: objects split in {splits} and merge in {len(meetings) - splits} planes; "
            "look at these first"
        )
    return count


def _label_volumes(
    planes: ArrayPlanes, sink: PlaneSink, model: Model, request: SegmentOptions, title: str
) -> int:
    """Label all volumes and count the objects; a bar counts the planes that are finished."""
    settings = make_volume_parameters(request.settings)
    steps = iterate_volumes(planes, sink, model, settings, request.z_spacing)
    with _make_bar(request, title) as bar:
        return drive(steps, lambda step: _move(bar, step.done, step.total, "parts"))


def _label_planes(
    planes: ArrayPlanes, sink: PlaneSink, model: Model, request: SegmentOptions, title: str
) -> int:
    """Label all planes and count the objects; a bar counts planes, or the steps of the only one."""
    objects: set[int] = set()
    kept = open_cache(0)
    updates = iterate_stack(
        planes, model, None, request.link, request.mode, cache=kept, **request.settings
    )
    with _make_bar(request, title) as bar:
        for update in updates:
            if update.labels is not None:
                sink.write(update.index, update.labels)
                objects.update(measure_areas(update.labels)[0].tolist())
            if update.total > 1:
                _move(bar, update.done, update.total, "planes")
            elif update.step is not None:
                _move(bar, update.step.done, update.step.total, update.step.unit)
    return len(objects)


def _label_boxes(
    planes: ArrayPlanes, sink: PlaneSink, model: Model, request: SegmentOptions, boxes: Path
) -> int:
    """Redraw the objects of a label image on a single plane, and count them."""
    if planes.axes:
        raise ParameterError(f"Boxes are for a single plane; the picture is {planes.array_axes}.")
    given = load_picture(boxes)
    settings, limits = split_limits("boxes", request.settings)
    parameters = make_parameters("boxes", **settings)
    steps = iterate_labels(planes.read(()), model, parameters, boxes=given, limits=limits)
    with _make_bar(request, boxes.name) as bar:
        labels = drive(steps, lambda step: _move(bar, step.done, step.total, step.unit))
    sink.write((), labels)
    return len(measure_areas(labels)[0])


def _label_place(
    planes: ArrayPlanes, sink: PlaneSink, model: Model, request: SegmentOptions, title: str
) -> int:
    """Label a part of a single plane, or what labels leave free, and count the objects."""
    if planes.axes:
        raise ParameterError(
            f"--inside and --fill are for a single plane; the picture is {planes.array_axes}."
        )
    inside, fill = (
        None if path is None else load_picture(path) for path in (request.inside, request.fill)
    )
    with _make_bar(request, title) as bar:
        labels = automask(
            planes.read(()),
            model,
            request.mode,
            inside=inside,
            existing=fill,
            progress=lambda done, total: _move(bar, done, total, "steps"),
            **request.settings,
        )
    sink.write((), labels)
    return len(measure_areas(labels)[0])


def _make_bar(request: SegmentOptions, title: str) -> tqdm[Any]:
    """Make a progress bar on standard error, where that is a terminal."""
    return tqdm(desc=title, disable=True if request.quiet else None, leave=False, unit="")


def _move(bar: tqdm[Any], done: int, total: int, unit: str) -> None:
    bar.total, bar.n, bar.unit = total or None, done, f" {unit}"
    bar.refresh()


def draw_preview(planes: PlaneSource, labels: PlaneSink) -> NDArray[np.uint8]:
    """Draw the labels over the picture; of a stack, over planes spread evenly.

    Returns
    -------
    (H, W, 3) uint8
        At full resolution.
    """
    indices = list(np.ndindex(*planes.shape))
    chosen = np.unique(np.linspace(0, len(indices) - 1, MONTAGE_PLANES).round().astype(int))
    return arrange_montage([_draw_plane(planes, labels, indices[number]) for number in chosen])


def _draw_plane(
    planes: PlaneSource, labels: PlaneSink, index: tuple[int, ...]
) -> NDArray[np.uint8]:
    try:
        rgb = planes.read(index)
    except BlankError:
        rgb = np.zeros((*planes.plane_shape, 3), np.uint8)
    return draw_overlay(rgb, labels.read(index))
