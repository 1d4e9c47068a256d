"""A stack -> its label image, as planes or as volumes, in one call."""

from __future__ import annotations

from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.arguments import tell_axes
from napari_sam_onnx.automatic.finders.flows import FlowNetwork
from napari_sam_onnx.automatic.generate import load
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.generators import relay
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.labels.label_store import make_labels, remove_labels
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.stacks.iterate import as_planes, iterate_stack
from napari_sam_onnx.stacks.stitch import StitchParameters, stitch_planes
from napari_sam_onnx.stacks.volumes import (
    Volume,
    VolumeParameters,
    VolumeStep,
    iterate_volume,
    measure_thickness,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.pieces import Workshop
    from napari_sam_onnx.planes import PlaneSink, PlaneSource

METHODS = ("planes", "volume")

_STITCH = tuple(StitchParameters.__dataclass_fields__)


def choose_method(
    method: str | None,
    axes: str,
    model: Model,
    *,
    planes: bool,
    stitch: bool = False,
    depth: int | None = None,
) -> str:
    """Choose how a stack is looked at, where nobody has.

    Parameters
    ----------
    method : {"planes", "volume"} or None
        What was asked for.
    axes : str
        The axes that number the planes.
    model : Model
    planes : bool
        Whether settings were given that are those of planes: a mode, or a link.
    stitch : bool
        Whether settings of stitching were given.
    depth : int, optional
        How many planes there are along z.

    Returns
    -------
    {"planes", "volume", "stitched"}
        A stack along z is a volume, unless it is one plane deep. By a model that does not see
        objects by itself, or where stitching was asked for, its planes are labelled and then put
        together; so they are by a network of flows, for which three views take three times as
        long, unless a volume is asked for.

    Raises
    ------
    ParameterError
        If the method is unknown, or does not fit the stack, the model or the settings.
    """
    if method is not None and method not in METHODS:
        raise ParameterError(f"A stack is seen as {' or '.join(METHODS)}; got {method!r}.")
    if (stitch or method == "volume") and "Z" not in axes:
        raise ParameterError(f"A volume needs an axis Z; the stack runs along {tell_axes(axes)}.")
    maps = model.gives_maps
    if method is None:
        planes = planes or depth == 1
        if stitch or ("Z" in axes and not planes and not maps):
            return "stitched"
        return "volume" if "Z" in axes and not planes else "planes"
    if method == "planes":
        return "stitched" if stitch else "planes"
    if not sees_volumes(model):
        return "stitched"
    if planes or stitch:
        raise ParameterError(
            "A volume takes no mode, no link and no settings of planes or of stitching; it has "
            f"{', '.join(VolumeParameters.__dataclass_fields__)}."
        )
    return "volume"


def count_depth(source: PlaneSource, parameters: Iterable[str]) -> int | None:
    """Count the planes along z; None where nothing but a volume has the settings given."""
    if any(name in VolumeParameters.__dataclass_fields__ for name in parameters):
        return None
    return dict(zip(source.axes, source.shape, strict=True)).get("Z")


def sees_volumes(model: Model) -> bool:
    """Whether a model can look at a volume as a whole: by its maps, or by its flows."""
    return model.gives_maps or isinstance(model, FlowNetwork)


def iterate_volumes(
    source: PlaneSource,
    sink: PlaneSink,
    model: Model,
    parameters: VolumeParameters | None = None,
    thickness: float | None = None,
    workshop: Workshop | None = None,
    draft: bool = False,
) -> Generator[VolumeStep, None, int]:
    """Label all volumes of a stack, one after another along its other axes.

    Parameters
    ----------
    source : PlaneSource
        With an axis Z.
    sink : PlaneSink
        Labels of the same planes, all 0.
    model : Model
    parameters : VolumeParameters, optional
    thickness : float, optional
        Distance between planes in pixels. Where omitted, what the source says; where it says
        nothing, it is measured on the objects.
    workshop : Workshop, optional
        Who does the chunks, and where finished ones are kept.
    draft : bool
        See `iterate_volume`.

    Yields
    ------
    VolumeStep
        Of all volumes together.

    Returns
    -------
    int
        The generator's value: how many objects there are.
    """
    axis = source.axes.index("Z")
    others = source.shape[:axis] + source.shape[axis + 1 :]
    places = list(np.ndindex(*others))
    known = measure_thickness(source) if thickness is None else thickness
    next_label, depth = 1, source.shape[axis]
    for number, place in enumerate(places):
        volume = Volume(source, sink, place)
        steps = iterate_volume(volume, model, parameters, known, next_label, workshop, draft)
        place_step = partial(_place_step, number, len(places), depth)
        next_label = yield from relay(steps, place_step)
    return next_label - 1


def _place_step(number: int, volumes: int, depth: int, step: VolumeStep) -> VolumeStep:
    """Tell a step of one volume as one of all of them."""
    done = number * step.total + step.done
    finished = number * depth + step.finished
    return VolumeStep(done, step.total * volumes, finished, step.fresh, step.draft)


def automask_stack(
    stack: Any,
    model: Model | str,
    axes: str,
    link: str | None = None,
    mode: str | None = None,
    *,
    method: str | None = None,
    pixel_size: Mapping[str, float] | None = None,
    channels: Sequence[Channel] | None = None,
    progress: Callable[[int, int], None] | None = None,
    out: Any = None,
    cache: EmbeddingStore | None = None,
    workshop: Workshop | None = None,
    **parameters: Any,
) -> Any:
    """Make the label image of a stack.

    Parameters
    ----------
    stack : array of two or more dimensions, any dtype
        May be lazy (dask, zarr, memmap); it is read plane by plane, volumes in blocks.
    axes : str
        One letter of ``TZCYX`` per dimension.
    model, link, mode, channels, cache
        See `iterate_stack`; link, mode and cache are for planes.
    method : {"planes", "volume"} or None
        Whether planes are looked at one by one, or volumes as a whole, see `VolumeParameters`.
        None: what `choose_method` says. Planes of a volume are put together by `stitch_planes`
        where a model does not see objects by itself, or a setting of `StitchParameters` is given.
    pixel_size : mapping of str to float, optional
        Micrometres, or any one unit, by axis (Z, Y, X): how far apart planes lie. Volumes measure
        it on their objects where it is omitted.
    progress : callable, optional
        Called with ``(done, total)``: planes, or parts of the work on a volume.
    out : array of uint32 or path, optional
        Where to write, of the stack's shape without C: any array that takes assignment by index,
        such as a memmap or a zarr array, or a new zarr folder. A new array where omitted: in
        memory, or where it does not fit in a zarr folder, see
        `napari_sam_onnx.labels.label_store.make_labels`.
    workshop : Workshop, optional
        Who does planes, tiles and chunks, and where finished ones are kept:
        `napari_sam_onnx.pieces.Here`, or `napari_sam_onnx.stacks.cluster.Cluster` for the workers
        of Dask. The labels are the same.
    **parameters
        Settings of the mode, of `StitchParameters` or of `VolumeParameters`.

    Returns
    -------
    array of uint32
        ``out``: the stack's shape without C, in its order of axes. That of a zarr array on disk
        says where it lies (``.store``).

    Raises
    ------
    LabelError
        If the output does not fit or cannot be made.
    ParameterError
        If a setting does not exist or is out of range, or the method does not fit.
    """
    source = as_planes(stack, axes, channels)
    assert isinstance(source, ArrayPlanes)
    source.pixel_size = dict(pixel_size or {})
    made = load(model)
    stitch, parameters = split_stitching(parameters)
    of_planes = link is not None or mode is not None or are_of_planes(parameters)
    method = choose_method(
        method,
        source.axes,
        made,
        planes=of_planes,
        stitch=bool(stitch),
        depth=count_depth(source, parameters),
    )
    if link is not None and method == "stitched":
        raise ParameterError("Planes are linked or stitched; leave link away.")
    stitched = StitchParameters(**stitch) if method == "stitched" else None
    settings = make_volume_parameters(parameters) if method == "volume" else None
    shape, place = source.label_shape, None
    if out is None or isinstance(out, str | PathLike):
        out, place = make_labels(shape, out)
    elif not hasattr(out, "shape") or not hasattr(out, "dtype"):
        raise LabelError(
            f"The output is an array of uint32, or the path of a new one; got {type(out).__name__}."
        )
    elif tuple(out.shape) != shape or np.dtype(out.dtype) != np.uint32:
        raise LabelError(
            f"The output is uint32 of shape {shape}; got {out.dtype} of {tuple(out.shape)}."
        )
    sink = ArrayLabels(out, source.label_axes)
    finished = False
    try:
        if settings is not None:
            for step in iterate_volumes(source, sink, made, settings, workshop=workshop):
                finished = finished or step.done > 0
                if progress is not None:
                    progress(step.done, step.total)
            return out
        updates = iterate_stack(
            source, made, None, link, mode, cache=cache, workshop=workshop, **parameters
        )
        for update in updates:
            if update.labels is not None:
                sink.write(update.index, update.labels)
                finished = True
                if progress is not None:
                    progress(update.done, update.total)
        if stitched is not None:
            stitch_planes(sink, stitched, source)
    finally:
        if not finished:
            remove_labels(place)
    return out


def are_of_planes(values: Mapping[str, Any]) -> bool:
    """Whether some of these settings are none of volumes and none of stitching."""
    of_volumes = {*VolumeParameters.__dataclass_fields__, *_STITCH}
    return any(name not in of_volumes for name in values)


def split_stitching(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide settings into those of stitching and all others."""
    stitch = {name: value for name, value in values.items() if name in _STITCH}
    return stitch, {name: value for name, value in values.items() if name not in _STITCH}


def make_volume_parameters(values: Mapping[str, Any]) -> VolumeParameters:
    """Make the settings of volumes from values by name.

    Raises
    ------
    ParameterError
        If there is no such setting, or a value is out of range.
    """
    known = VolumeParameters.__dataclass_fields__
    for name in values:
        if name not in known:
            raise ParameterError(f"Volumes have no setting {name!r}; they have {', '.join(known)}.")
    return VolumeParameters(**values)
