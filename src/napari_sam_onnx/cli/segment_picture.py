"""One picture or stack -> its label image and its overlay, as files."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from napari_sam_onnx.automatic import ParameterError, iterate_labels, make_parameters
from napari_sam_onnx.export.beside import write_beside
from napari_sam_onnx.export.images import check_label_path, write_labels, write_png
from napari_sam_onnx.image import ImageError, check_axes, fix_limits, infer_axes, to_rgb
from napari_sam_onnx.overlay import arrange_montage, draw_overlay
from napari_sam_onnx.picture_file import read_picture
from napari_sam_onnx.stacks import iterate_stack, read_plane, write_plane

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam_onnx.cli.jobs import Job
    from napari_sam_onnx.image import Channel
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.stacks import Link

MONTAGE_PLANES = 9


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted of each picture, see `napari_sam_onnx.cli.segment.segment`."""

    axes: str | None
    channels: tuple[Channel, ...] | None
    mode: str | None
    boxes: Path | None
    link: Link | None
    settings: Mapping[str, Any]
    force: bool
    quiet: bool


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """A picture whose axes and channels are settled.

    Parameters
    ----------
    array : array
        In the order of ``axes``.
    axes : str
        One letter of ``TZCYX`` per dimension.
    channels : tuple of Channel
        With contrast limits of the whole array.
    """

    array: Any
    axes: str
    channels: tuple[Channel, ...]

    @property
    def label_axes(self) -> str:
        """Axes of the labels: all but C."""
        return self.axes.replace("C", "")

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Shape of the labels."""
        return tuple(self.array.shape[self.axes.index(axis)] for axis in self.label_axes)

    def show_plane(self, index: tuple[int, ...]) -> NDArray[np.uint8]:
        """One plane as the model sees it, (H, W, 3)."""
        plane_axes = "".join(axis for axis in self.axes if axis in "YXC")
        return to_rgb(read_plane(self.array, self.axes, index), plane_axes, self.channels)


def segment_picture(job: Job, model: Model, request: Request) -> None:
    """Segment one picture or stack and write its files, all of them whole or none.

    Raises
    ------
    ImageError, ParameterError, PictureFileError
        If the picture, the request or a file does not allow it.
    """
    began = time.perf_counter()
    picture = read_picture(job.source)
    stack = _settle(picture.array, request.axes or picture.axes, request.channels)
    check_label_path(job.labels, stack.label_axes)
    with ExitStack() as files:
        # Both are created before the work, so that it is not done in vain.
        labels_part = files.enter_context(write_beside(job.labels, overwrite=request.force))
        if job.preview is not None:
            preview_part = files.enter_context(write_beside(job.preview, overwrite=request.force))
        if request.boxes is None:
            labels = _label_stack(stack, model, request, job.source.name)
        else:
            labels = _label_boxes(stack, model, request, request.boxes)
        write_labels(labels_part, labels, stack.label_axes, picture.pixel_size)
        if job.preview is not None:
            write_png(preview_part, draw_preview(stack, labels))
    if not request.quiet:
        if picture.others:
            print(f"{job.source.name}: of {picture.others + 1} pictures the first was used")
        count = np.count_nonzero(np.unique(labels))
        seconds = time.perf_counter() - began
        print(f"{job.source.name}: {count} objects in {seconds:.1f} s -> {job.labels}")


def _settle(array: Any, axes: str | None, channels: tuple[Channel, ...] | None) -> Stack:
    """Name the axes and fix the contrast, or say why that cannot be done."""
    if 0 in array.shape:
        raise ImageError(f"The picture is empty: its shape is {tuple(array.shape)}.")
    if axes is None:
        try:
            axes = infer_axes(array.shape)
        except ImageError as error:
            raise ImageError(f"{str(error).rstrip('.')}: --axes.") from error
    named = check_axes(axes, array.ndim)
    return Stack(array, named, fix_limits(array, named, channels))


def _label_stack(stack: Stack, model: Model, request: Request, title: str) -> NDArray[np.uint32]:
    """Label all planes; a bar counts the planes, or the steps of the only one."""
    labels = np.zeros(stack.label_shape, np.uint32)
    updates = iterate_stack(
        stack.array,
        model,
        stack.axes,
        request.link,
        request.mode,
        channels=stack.channels,
        **request.settings,
    )
    with _make_bar(request, title) as bar:
        for update in updates:
            if update.labels is not None:
                write_plane(labels, stack.label_axes, update.index, update.labels)
            if update.total > 1:
                _move(bar, update.done, update.total, "planes")
            elif update.step is not None:
                _move(bar, update.step.done, update.step.total, update.step.unit)
    return labels


def _label_boxes(stack: Stack, model: Model, request: Request, boxes: Path) -> NDArray[np.uint32]:
    """Redraw the objects of a label image on a single plane."""
    if len(stack.label_axes) > 2:
        raise ParameterError(f"Boxes are for a single plane; the picture is {stack.axes}.")
    rgb = stack.show_plane(())
    given = read_picture(boxes).array
    parameters = make_parameters("boxes", **request.settings)
    steps = iterate_labels(rgb, model, parameters, boxes=np.asarray(given))
    with _make_bar(request, boxes.name) as bar:
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                plane: NDArray[np.uint32] = stop.value
                break
            _move(bar, step.done, step.total, step.unit)
    return plane if stack.label_axes == "YX" else plane.T


def _make_bar(request: Request, title: str) -> tqdm[Any]:
    """Make a progress bar on standard error, where that is a terminal."""
    return tqdm(desc=title, disable=True if request.quiet else None, leave=False, unit="")


def _move(bar: tqdm[Any], done: int, total: int, unit: str) -> None:
    bar.total, bar.n, bar.unit = total or None, done, f" {unit}"
    bar.refresh()


def draw_preview(stack: Stack, labels: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Draw the labels over the picture; of a stack, over planes spread evenly.

    Returns
    -------
    (H, W, 3) uint8
        At full resolution.
    """
    outer = [n for n, axis in zip(labels.shape, stack.label_axes, strict=True) if axis not in "YX"]
    indices = list(np.ndindex(*outer))
    chosen = np.unique(np.linspace(0, len(indices) - 1, MONTAGE_PLANES).round().astype(int))
    flip = stack.label_axes.index("Y") > stack.label_axes.index("X")
    planes = []
    for number in chosen:
        found = read_plane(labels, stack.label_axes, indices[number])
        planes.append(draw_overlay(stack.show_plane(indices[number]), found.T if flip else found))
    return arrange_montage(planes)
