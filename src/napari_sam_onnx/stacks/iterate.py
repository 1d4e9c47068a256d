"""The planes of an nD array: automatic masks plane by plane, linked along z or t.

One plane is in memory at a time. The stack may be lazy (dask, zarr, memmap): it is indexed
plane by plane and never converted whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sam_onnx.automatic.choose import choose_parameters
from napari_sam_onnx.automatic.generate import iterate_labels, load
from napari_sam_onnx.automatic.parameters import make_parameters
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.image import ImageError, check_axes, fix_limits, to_rgb
from napari_sam_onnx.labels import LabelError
from napari_sam_onnx.linking import link_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.progress import Progress
    from napari_sam_onnx.image import Channel
    from napari_sam_onnx.models import Model

Link = Literal["z", "t"]


@dataclass(frozen=True, slots=True, eq=False)
class StackUpdate:
    """A moment of a run over a stack: a step inside a plane, or a plane that is finished.

    Parameters
    ----------
    index : tuple of int
        Where the plane lies: one index per axis other than Y, X and C, in the stack's order.
    done : int
        Planes that are finished.
    total : int
        Planes in all.
    labels : (H, W) uint32 or None
        The plane's labels, final, once it is finished.
    step : Progress or None
        How far the plane has come, while it is not.
    """

    index: tuple[int, ...]
    done: int
    total: int
    labels: NDArray[np.uint32] | None = None
    step: Progress | None = None


def iterate_planes(stack: Any, axes: str) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    """Read the planes of a stack one after another, the last axis fastest.

    Parameters
    ----------
    stack : array of two or more dimensions
        Indexed plane by plane.
    axes : str
        One letter of ``TZCYX`` per dimension.

    Yields
    ------
    index : tuple of int
        One index per axis other than Y, X and C, in the stack's order.
    plane : (H, W), (C, H, W) … array
        The plane with its channels, in the stack's order of axes.
    """
    named = check_axes(axes, stack.ndim)
    for index in product(*(range(size) for size in _outer_shape(stack, named))):
        yield index, read_plane(stack, named, index)


def read_plane(stack: Any, axes: str, index: tuple[int, ...]) -> NDArray[Any]:
    """Read one plane of a stack, with its channels; see `iterate_planes`."""
    where = iter(index)
    return np.asarray(stack[tuple(slice(None) if a in "YXC" else next(where) for a in axes)])


def _outer_shape(stack: Any, axes: str) -> tuple[int, ...]:
    """Sizes of the axes that number the planes."""
    return tuple(
        int(size) for size, axis in zip(stack.shape, axes, strict=True) if axis not in "YXC"
    )


def iterate_stack(
    stack: Any,
    model: Model | str,
    axes: str,
    link: Link | None = None,
    mode: str | None = None,
    *,
    channels: Sequence[Channel] | None = None,
    cache: EmbeddingCache | None = None,
    **parameters: Any,
) -> Generator[StackUpdate, None, None]:
    """Make the labels of a stack, step by step and plane by plane.

    Closing the generator stops the run at the next step inside the plane; planes that were
    yielded are final.

    Parameters
    ----------
    stack : array of two or more dimensions, any dtype
        May be lazy (dask, zarr, memmap); it is read plane by plane.
    model : Model or str
        A model, or the id of one.
    axes : str
        One letter of ``TZCYX`` per dimension.
    link : {"z", "t"} or None
        The axis along which an object keeps its label from plane to plane, see `link_labels`.
        Along other axes labels start anew; they are unique over the whole stack either way.
    mode : str or None
        See `napari_sam_onnx.generate_masks`. ``boxes`` is for single planes.
    channels : sequence of Channel, optional
        How the channels are shown. Contrast limits that are None are measured once, over the
        whole stack.
    cache : EmbeddingCache, optional
        Where embeddings are kept.
    **parameters
        Settings of the mode.

    Yields
    ------
    StackUpdate
        A plane without a finite value (padding of a mosaic, a lost frame) has no labels.

    Raises
    ------
    ImageError
        If the axes do not fit, or the stack is empty or holds no finite value.
    ParameterError
        If a setting does not exist or is out of range.
    LabelError
        If the labels run out.
    """
    named = check_axes(axes, stack.ndim)
    if 0 in stack.shape:
        raise ImageError(f"The stack is empty: its shape is {tuple(stack.shape)}.")
    outer = "".join(axis for axis in named if axis not in "YXC")
    if link is not None and (link not in ("z", "t") or link.upper() not in outer):
        raise ImageError(
            f"Labels cannot be linked along {link!r}: the axes {named!r} do not have it."
        )
    settings = None if mode is None else make_parameters(mode, **parameters)
    made = load(model)
    kept = EmbeddingCache(max_bytes=0) if cache is None else cache
    shown = fix_limits(stack, named, channels)
    order = _order_planes(_outer_shape(stack, named), outer, link)
    plane_axes = "".join(axis for axis in named if axis in "YXC")
    next_label = 1
    previous: NDArray[np.uint32] | None = None
    blank = 0
    for done, (index, starts) in enumerate(order):
        plane = read_plane(stack, named, index)
        if plane.dtype.kind == "f" and not np.isfinite(plane).any():
            blank += 1
            if blank == len(order):
                raise ImageError("The stack holds no finite value (all NaN or infinite).")
            previous = None
            height, width = (plane.shape[plane_axes.index(axis)] for axis in "YX")
            nothing = np.zeros((height, width), np.uint32)
            yield StackUpdate(index, done + 1, len(order), labels=nothing)
            continue
        rgb = to_rgb(plane, plane_axes, shown)
        if settings is None:
            settings = choose_parameters(made, rgb, kept, parameters)
        steps = iterate_labels(rgb, made, settings, cache=kept)
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                labels = stop.value
                break
            yield StackUpdate(index, done, len(order), step=step)
        if previous is None or starts:
            previous = np.zeros_like(labels)
        labels, next_label = link_labels(previous, labels, next_label)
        if link is not None:
            previous = labels
        yield StackUpdate(index, done + 1, len(order), labels=labels)


def _order_planes(
    shape: tuple[int, ...], outer: str, link: str | None
) -> list[tuple[tuple[int, ...], bool]]:
    """Order the planes so that linked ones follow each other; tell where a new run starts."""
    if link is None:
        return [(index, True) for index in np.ndindex(shape)]
    axis = outer.index(link.upper())
    rest = shape[:axis] + shape[axis + 1 :]
    return [
        ((*others[:axis], along, *others[axis:]), along == 0)
        for others in np.ndindex(rest)
        for along in range(shape[axis])
    ]


def automask_stack(
    stack: Any,
    model: Model | str,
    axes: str,
    link: Link | None = None,
    mode: str | None = None,
    *,
    channels: Sequence[Channel] | None = None,
    progress: Callable[[int, int], None] | None = None,
    out: Any = None,
    cache: EmbeddingCache | None = None,
    **parameters: Any,
) -> Any:
    """Make the label image of a stack.

    Parameters
    ----------
    stack, model, axes, link, mode, channels, cache, **parameters
        See `iterate_stack`.
    progress : callable, optional
        Called with ``(done, total)`` planes.
    out : array of uint32, optional
        Where to write, of the stack's shape without C: any array that takes assignment by index,
        such as a memmap or a zarr array. A new array where omitted.

    Returns
    -------
    array of uint32
        ``out``: the stack's shape without C, in its order of axes.
    """
    named = check_axes(axes, stack.ndim)
    kept_axes = named.replace("C", "")
    shape = tuple(stack.shape[named.index(axis)] for axis in kept_axes)
    if out is None:
        out = np.zeros(shape, np.uint32)
    if tuple(out.shape) != shape or np.dtype(out.dtype) != np.uint32:
        raise LabelError(
            f"The output is uint32 of shape {shape}; got {out.dtype} of {tuple(out.shape)}."
        )
    updates = iterate_stack(
        stack, model, axes, link, mode, channels=channels, cache=cache, **parameters
    )
    for update in updates:
        if update.labels is not None:
            write_plane(out, kept_axes, update.index, update.labels)
            if progress is not None:
                progress(update.done, update.total)
    return out


def write_plane(labels: Any, axes: str, index: tuple[int, ...], plane: NDArray[np.uint32]) -> None:
    """Write the labels of one plane into those of a stack.

    Parameters
    ----------
    labels : array of uint32
        Takes assignment by index.
    axes : str
        Names of its axes, without C.
    index : tuple of int
        See `StackUpdate`.
    plane : (H, W) uint32
    """
    where = iter(index)
    at = tuple(slice(None) if axis in "YX" else next(where) for axis in axes)
    labels[at] = plane if axes.index("Y") < axes.index("X") else plane.T
