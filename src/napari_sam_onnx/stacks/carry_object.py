"""One object of a stack, known on a plane or several, on all its planes in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.arguments import tell_axes
from napari_sam_onnx.automatic.generate import load
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.generators import drive
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.models.model import MemorisingModel
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.prompting.segmenter import answer_prompts
from napari_sam_onnx.prompts import Prompts, make_prompts
from napari_sam_onnx.stacks.carry import Carried, iterate_carry
from napari_sam_onnx.stacks.carry_parameters import CarryParameters
from napari_sam_onnx.stacks.iterate import as_planes
from napari_sam_onnx.stacks.remember import iterate_remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.planes import ArrayLabels
    from napari_sam_onnx.stacks.carry import Read


def carry_object(
    stack: Any,
    model: Model | str,
    known: Mapping[int, ArrayLike | Mask],
    axes: str,
    along: str = "z",
    *,
    at: Mapping[str, int] | None = None,
    span: tuple[int, int] | None = None,
    channels: Sequence[Channel] | None = None,
    cache: EmbeddingStore | None = None,
    progress: Callable[[Carried], None] | None = None,
    **parameters: Any,
) -> dict[int, Mask]:
    """Carry one object through the planes or frames of a stack.

    Parameters
    ----------
    stack : array of three or more dimensions
    model : Model or str
    known : mapping of int to (y, x), (y0, x0, y1, x1) or mask
        The object on one plane or several: a point on it, a box around it, or a `Mask` or a
        boolean plane. On these it stays as it is.
    axes : str
        One letter of ``TZCYX`` per dimension.
    along : str
        The axis through which it is carried.
    at : mapping of str to int, optional
        Positions along the other axes; 0 where omitted.
    span : (first, last), optional
        Planes beyond which it is not carried.
    channels, cache
        See `iterate_stack`.
    progress : callable, optional
        Called with each `Carried`.
    **parameters
        Fields of `CarryParameters`. They do not count where the model remembers: it then says
        itself where the object is, and answers a point or a box with what it remembers.

    Returns
    -------
    dict of int to Mask
        By plane.

    Raises
    ------
    ImageError, ParameterError, PromptError
        If axes, settings or prompts do not fit.
    """
    source = as_planes(stack, axes, channels)
    letter = along.upper()
    if letter not in source.axes:
        raise ImageError(
            f"Objects cannot be carried along {along!r}: the stack runs along "
            f"{tell_axes(source.axes)}."
        )
    unknown = set(parameters) - set(CarryParameters.__dataclass_fields__)
    if unknown:
        raise ParameterError(
            f"Propagation has no setting {sorted(unknown)[0]!r}; it has "
            f"{', '.join(CarryParameters.__dataclass_fields__)}."
        )
    settings = CarryParameters(**({} if letter == "Z" else {"neck": 0.0}) | parameters)
    place = dict.fromkeys(source.axes, 0) | {k.upper(): v for k, v in (at or {}).items()}
    made = load(model)
    kept: EmbeddingStore = EmbeddingCache() if cache is None else cache

    def read(plane: int) -> NDArray[np.uint8]:
        where = place | {letter: plane}
        return source.read(tuple(where[axis] for axis in source.axes))

    count = source.shape[source.axes.index(letter)]
    for plane in known:
        if not 0 <= plane < count:
            raise ImageError(f"The object is known on plane {plane}, of {count}: 0 to {count - 1}.")
    told = {int(p): _as_known(prompt, source.plane_shape) for p, prompt in known.items()}
    if isinstance(made, MemorisingModel):
        masks = {plane: one for plane, one in told.items() if isinstance(one, Mask)}
        steps = iterate_remembered(read, count, made, told, span=span, cache=kept)
    else:
        masks = {plane: _answer(read, plane, one, made, kept) for plane, one in told.items()}
        steps = iterate_carry(read, count, made, masks, settings, span=span, cache=kept)

    def keep(step: Carried) -> None:
        if step.mask is not None:
            masks[step.plane] = step.mask
        else:
            masks.pop(step.plane, None)
        if progress is not None:
            progress(step)

    drive(steps, keep)
    return dict(sorted(masks.items()))


def _as_known(prompt: Any, shape: tuple[int, int]) -> Mask | Prompts:
    """Make prompts of a point or a box, or take a mask as it is."""
    if isinstance(prompt, Mask):
        return prompt
    values = np.asarray(prompt)
    if values.shape == shape:
        return Mask.from_array(values)
    if values.shape not in ((2,), (4,)):
        raise ImageError(
            "An object is known by a point (y, x), a box (y0, x0, y1, x1) or a mask of the plane's "
            f"{shape[0]} × {shape[1]} pixels; got shape {values.shape}."
        )
    if values.shape == (2,):
        return make_prompts([values], [1], plane_shape=shape)
    return make_prompts(box=values, plane_shape=shape)


def _answer(
    read: Read, plane: int, known: Mask | Prompts, model: Model, cache: EmbeddingStore
) -> Mask:
    if isinstance(known, Mask):
        return known
    embedding = encode_through(read(plane), model, cache)
    return answer_prompts(model, embedding, [known])[0]


def write_object(sink: ArrayLabels, masks: Mapping[int, Mask], along: str, label: int = 1) -> int:
    """Write an object into the planes of a label image where nothing is; count its pixels.

    Parameters
    ----------
    sink : ArrayLabels
        Along one axis.
    masks : mapping of int to Mask
        By plane, see `carry_object`.
    along : str
        That axis.
    label : int
    """
    if along.upper() not in sink.axes:
        raise LabelError(f"The labels do not run along {along!r} but along {sink.axes!r}.")
    written = 0
    for plane, mask in masks.items():
        index = tuple(plane if axis == along.upper() else 0 for axis in sink.axes)
        labels = np.array(sink.read(index))
        free = mask.crop & (labels[mask.slices] == 0)
        labels[mask.slices][free] = label
        sink.write(index, labels)
        written += int(free.sum())
    return written
