"""The planes of an nD array: automatic masks plane by plane, linked along z or t.

Two planes are in memory at a time: the next one is read and encoded while one is decoded. The
stack may be lazy (dask, zarr, memmap): it is indexed plane by plane and never converted whole.
"""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sam_onnx.arguments import require, tell_axes
from napari_sam_onnx.automatic.choose import iterate_choice
from napari_sam_onnx.automatic.generate import load
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.automatic.settings.modes import make_parameters, split_limits
from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.generators import relay
from napari_sam_onnx.labels.linking import link_labels, number_on
from napari_sam_onnx.pictures.image import AXES, BlankError, ImageError, check_axes
from napari_sam_onnx.pieces import Here, Piece, Task
from napari_sam_onnx.planes import ArrayPlanes
from napari_sam_onnx.stacks.ahead import Ahead, encodes_whole_planes
from napari_sam_onnx.stacks.plane_work import find_plane, pack_plane, unpack_plane

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.finders.progress import Progress
    from napari_sam_onnx.automatic.kept.mask_set import MaskSet
    from napari_sam_onnx.automatic.settings.modes import Parameters
    from napari_sam_onnx.automatic.taught.learn import Judge
    from napari_sam_onnx.automatic.where import Place
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.pieces import Workshop
    from napari_sam_onnx.planes import PlaneSource
    from napari_sam_onnx.stacks.plane_work import PaintedPlane

Link = Literal["z", "t"]


@dataclass(frozen=True, slots=True, eq=False)
class StackUpdate:
    """A moment of a run over a stack: a step inside a plane, or a plane that is finished.

    Parameters
    ----------
    index : tuple of int
        Where the plane lies: one index per axis of the source, see `PlaneSource`.
    done : int
        Planes that are finished.
    total : int
        Planes in all.
    labels : (H, W) uint32 or None
        The plane's labels, final, once it is finished.
    step : Progress or None
        How far the plane has come, while it is not.
    settings : Parameters or None
        What the plane's labels are made with, where nothing was left open any more.
    found : MaskSet or None
        With `keep`: the finished plane's masks, the doubtful too, measured, without its picture.
    numbers : (N,) uint32 or None
        With `keep`: the label of each of these masks; 0 where it has none.
    """

    index: tuple[int, ...]
    done: int
    total: int
    labels: NDArray[np.uint32] | None = None
    step: Progress | None = None
    settings: Parameters | None = None
    found: MaskSet | None = None
    numbers: NDArray[np.uint32] | None = None


def iterate_stack(
    stack: Any,
    model: Model | str,
    axes: str | None = None,
    link: str | None = None,
    mode: str | None = None,
    *,
    channels: Sequence[Channel] | None = None,
    indices: Sequence[tuple[int, ...]] | None = None,
    cache: EmbeddingStore | None = None,
    places: Callable[[tuple[int, ...]], Place | None] | None = None,
    keep: bool = False,
    judge: Judge | None = None,
    workshop: Workshop | None = None,
    **parameters: Any,
) -> Generator[StackUpdate, None, None]:
    """Make the labels of a stack, step by step and plane by plane.

    Closing the generator stops the run at the next step inside the plane; planes that were
    yielded are final.

    Parameters
    ----------
    stack : PlaneSource, or array of two or more dimensions, any dtype
        An array may be lazy (dask, zarr, memmap); it is read plane by plane.
    model : Model or str
        A model, or the id of one.
    axes : str, optional
        For an array: one letter of ``TZCYX`` per dimension.
    link : {"z", "t"} or another of the source's axes, or None
        The axis along which an object keeps its label from plane to plane, see `link_labels`.
        Along other axes labels start anew; they are unique over the whole stack either way.
    mode : str or None
        See `napari_sam_onnx.generate_masks`. ``boxes`` is for single planes.
    channels : sequence of Channel, optional
        For an array: how the channels are shown. Contrast limits that are None are measured
        once, over the whole stack.
    indices : sequence of tuple of int, optional
        The planes to do; all where omitted.
    cache : EmbeddingStore, optional
        Where embeddings are kept.
    places : callable, optional
        Says by its index where on a plane objects are looked for, see
        `napari_sam_onnx.automatic.where`; labels that are there already are not among the result.
        A plane on which nothing is free is not looked at.
    keep : bool
        Whether the masks of each plane are handed over with its labels, to choose from again.
    judge : Judge, optional
        What was learned from objects that were kept and deleted: those that it does not want are
        left out, see `napari_sam_onnx.automatic.taught.learn`.
    workshop : Workshop, optional
        Who does the planes, or the tiles of a single one, and where finished ones are kept, see
        `napari_sam_onnx.pieces`; without `keep`.
    **parameters
        Settings of the mode, and limits: the fields of `napari_sam_onnx.automatic.Selection`.

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
    values, limits = split_limits(mode, parameters)
    settings = None if mode is None else make_parameters(mode, **values)
    Selection().change(**limits)
    source = as_planes(stack, axes, channels)
    if link is not None:
        require(link, str, "Labels are linked along 'z' or 't'", ImageError)
    if link is not None and link.upper() not in source.axes:
        raise ImageError(
            f"Labels cannot be linked along {link!r}: the stack runs along "
            f"{tell_axes(source.axes)}."
        )
    made = load(model)
    kept: EmbeddingStore = EmbeddingCache(max_bytes=0) if cache is None else cache
    order = order_planes(source.shape, source.axes, link)
    if indices is not None:
        wanted = {tuple(index) for index in indices}
        order = [place for place in order if place[0] in wanted]
    if keep and workshop is not None:
        raise ParameterError("Masks are kept where they are found; give no workshop with keep.")
    look = _Looks(source, places)
    if settings is None:
        for index, _ in order:
            rgb = look.first(index)
            if rgb is not None:
                tell = partial(_tell_step, index, 0, len(order), None)
                settings = yield from relay(iterate_choice(made, rgb, kept, values), tell)
                break
    single = workshop if len(order) == 1 else None  # its tiles are the pieces
    shop = Here() if workshop is None or single is not None else workshop

    ahead: Ahead | None = None
    if isinstance(shop, Here) and encodes_whole_planes(settings):
        left = [index for index, _ in order if not shop.has(_name_plane(index))]
        ahead = Ahead(made, kept, look.read, dict(pairwise(left)))

    def prepare(index: tuple[int, ...]) -> Task | None:
        rgb = look.read(index) if ahead is None else ahead.read(index)
        if rgb is None or settings is None:
            return None
        place = None if places is None else places(index)
        given = (rgb, settings, limits, place, judge, keep)
        return Task(find_plane, given if single is None else (*given, single))

    pieces = [
        Piece(_name_plane(index), partial(prepare, index), pack_plane, unpack_plane)
        for index, _ in order
    ]
    next_label = 1
    previous: NDArray[np.uint32] | None = None
    store = kept if ahead is None else ahead
    ending = nullcontext() if ahead is None else closing(ahead)
    with ending, closing(shop.do(pieces, made, store)) as moments:
        for moment in moments:
            index, starts = order[moment.number]
            if not moment.done:
                yield StackUpdate(
                    index, moment.number, len(order), step=moment.step, settings=settings
                )
                continue
            update = StackUpdate(index, moment.number + 1, len(order), settings=settings)
            plane: PaintedPlane | None = moment.value
            if plane is None:
                if look.blank == len(order):
                    source.read(index)  # says that nothing in the stack is finite
                previous = None
                nothing = np.zeros(source.plane_shape, np.uint32)
                yield replace(update, labels=nothing, settings=None)
                continue
            if link is None or previous is None or starts:
                labels, next_label = number_on(plane.labels, next_label)
            else:
                labels, next_label = link_labels(previous, plane.labels, next_label)
            if link is not None:
                previous = labels
            update = replace(update, labels=labels)
            if plane.found is not None and plane.chosen is not None:
                numbers = _number_masks(plane.found, plane.chosen, plane.labels, labels)
                update = replace(update, found=plane.found.settle(), numbers=numbers)
            yield update
            # large, and not wanted while the next plane is looked at
            del update, plane, labels, moment


class _Looks:
    """Planes as they are read for a run, the first one kept until its turn comes."""

    def __init__(
        self, source: PlaneSource, places: Callable[[tuple[int, ...]], Place | None] | None
    ) -> None:
        self._source, self._places = source, places
        self._first: tuple[tuple[int, ...], NDArray[np.uint8]] | None = None
        self._blank: set[tuple[int, ...]] = set()

    @property
    def blank(self) -> int:
        """Planes that held no finite value."""
        return len(self._blank)

    def first(self, index: tuple[int, ...]) -> NDArray[np.uint8] | None:
        """Read a plane before its turn, see `read`."""
        rgb = self.read(index)
        self._first = None if rgb is None else (index, rgb)
        return rgb

    def read(self, index: tuple[int, ...]) -> NDArray[np.uint8] | None:
        """Read a plane; None where it is blank, or no pixel is free."""
        if self._first is not None and self._first[0] == index:
            rgb, self._first = self._first[1], None
            return rgb
        place = None if self._places is None else self._places(index)
        if place is not None and not place.free.any():
            return None
        try:
            return self._source.read(index)
        except BlankError:
            self._blank.add(index)
            return None


def as_planes(
    stack: Any, axes: str | None, channels: Sequence[Channel] | None = None
) -> PlaneSource:
    """Take a source of planes as it is, or make one of an array whose axes are named.

    Raises
    ------
    ImageError
        If it is neither; if an array's axes are not named or do not fit, or those of a source
        are named.
    """
    if hasattr(stack, "plane_shape"):
        if axes is not None or channels is not None:
            raise ImageError("A source of planes has its own axes and channels; give none.")
        source: PlaneSource = stack
        return source
    if not hasattr(stack, "ndim"):
        raise ImageError(f"A stack is an array; got {type(stack).__name__}: use numpy.asarray.")
    if axes is None:
        raise ImageError(f"Name the axes of the stack, one letter of {AXES} per dimension.")
    return ArrayPlanes(stack, check_axes(axes, stack.ndim), channels)


def _name_plane(index: tuple[int, ...]) -> str:
    return "-".join(["plane", *map(str, index)])


def _tell_step(
    index: tuple[int, ...], done: int, total: int, settings: Parameters | None, step: Progress
) -> StackUpdate:
    return StackUpdate(index, done, total, step=step, settings=settings)


def _number_masks(
    found: MaskSet,
    chosen: NDArray[np.intp],
    painted: NDArray[np.uint32],
    labels: NDArray[np.uint32],
) -> NDArray[np.uint32]:
    """Say which label each mask of a plane has got, 0 where none of its pixels has one."""
    own = np.array([found.masks[i].label or n for n, i in enumerate(chosen, 1)], np.intp)
    renamed = np.zeros(int(own.max(initial=0)) + 1, np.uint32)
    for row, new in zip(painted, labels, strict=True):  # a whole plane of indices is large
        renamed[row] = new
    numbers = np.zeros(len(found), np.uint32)
    numbers[chosen] = renamed[own]
    return numbers


def order_planes(
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
