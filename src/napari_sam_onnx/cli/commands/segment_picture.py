"""One picture or stack -> its label image and its overlay, as files."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam_onnx.automatic.settings.modes import explain_nothing
from napari_sam_onnx.cli.label_file import check_result, open_labels
from napari_sam_onnx.cli.label_planes import label_boxes, label_stack
from napari_sam_onnx.cli.options.lengths import to_pixels
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.cli.unfinished import keep_pieces
from napari_sam_onnx.export.beside import write_beside
from napari_sam_onnx.export.images import write_png
from napari_sam_onnx.pictures.image import (
    BlankError,
    ImageError,
    check_axes,
    infer_axes,
    insert_axes,
)
from napari_sam_onnx.pictures.overlay import arrange_montage, draw_overlay
from napari_sam_onnx.pictures.picture_file import read_picture
from napari_sam_onnx.pictures.projection import project_depth
from napari_sam_onnx.pieces import Here
from napari_sam_onnx.planes import ArrayPlanes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam_onnx.cli.jobs import Job
    from napari_sam_onnx.cli.label_planes import SegmentOptions
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.pictures.picture_file import PictureFile
    from napari_sam_onnx.planes import PlaneSink, PlaneSource
    from napari_sam_onnx.stacks.cluster import Cluster

MONTAGE_PLANES = 9


def segment_picture(
    job: Job,
    model: Model,
    request: SegmentOptions,
    recipe: Mapping[str, Any],
    cluster: Cluster | None = None,
) -> None:
    """Segment one picture or stack and write its files, all of them whole or none.

    Parameters
    ----------
    job : Job
    model : Model
    request : SegmentOptions
    recipe : mapping
        All that the labels depend on besides the picture, for a run that goes on later.
    cluster : Cluster, optional
        Whose workers do planes, tiles and chunks; this process where omitted.

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
    check_result(job.labels, planes.label_axes, planes.label_shape)
    with ExitStack() as files:
        # Both are created before the work, so that it is not done in vain.
        kept = files.enter_context(keep_pieces(job.labels, job.source, recipe, planes, request))
        scratch = None if kept is None else kept.folder
        preview_part = None
        if job.preview is not None:
            preview_part = files.enter_context(write_beside(job.preview, overwrite=request.force))
        sink = files.enter_context(
            open_labels(
                job.labels,
                planes.label_axes,
                planes.label_shape,
                picture.pixel_size,
                force=request.force,
                scratch=scratch,
            )
        )
        if request.boxes is not None:
            count = label_boxes(planes, sink, model, request, request.boxes)
        else:
            shop = Here(kept) if cluster is None else cluster.keeping(kept)
            count = label_stack(planes, sink, model, request, job.source.name, shop)
        if preview_part is not None:
            write_png(preview_part, draw_preview(planes, sink))
    if not request.quiet:
        if picture.others:
            say(f"{job.source.name}: of {picture.others + 1} pictures the first was used")
        seconds = time.perf_counter() - began
        say(f"{job.source.name}: {count} objects in {seconds:.1f} s -> {job.labels}")
        why = "" if count else explain_nothing(request.mode, request.settings)
        if why:
            say(f"{job.source.name}: {why}")


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

    @property
    def project(self) -> str:
        """How planes along z are made one; "" where they are not."""


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
    if request.project:
        array, named = project_depth(array, named, request.project)
    return ArrayPlanes(
        array,
        named,
        request.channels,
        picture.pixel_size,
        request.view,
        samples=picture.samples,
    )


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
