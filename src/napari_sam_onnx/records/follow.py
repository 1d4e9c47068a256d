"""Acts done again: asked of the same models in the same order, and written by the same rules."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.labels.fitting import fit_masks
from napari_sam_onnx.labels.label_image import commit_mask
from napari_sam_onnx.masks.upscale import low_res_from_mask, rank_candidates
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.prompting.near import Neighbourhoods, is_large
from napari_sam_onnx.prompting.segmenter import answer_plane
from napari_sam_onnx.prompting.style import Style, take_style
from napari_sam_onnx.prompts import make_prompts
from napari_sam_onnx.records.acts import ActError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.prompts import Prompts
    from napari_sam_onnx.records.acts import Accepted, Act, Change

    Sight = Callable[[Prompts, Style], Mask]


def follow(
    acts: Sequence[Act],
    array: Any,
    labels: Any,
    load: Callable[[str | tuple[str, ...]], Model],
    axes: str | None = None,
) -> Generator[int, None, None]:
    """Do acts again, one after another.

    Parameters
    ----------
    acts : sequence of Act
    array : array of any dtype
        The picture.
    labels : array of uint32
        Of the picture's shape without C; changed in place.
    load : callable
        Opens a model.
    axes : str, optional
        Names of the array's axes, where it has C as another axis than the acts' picture.

    Yields
    ------
    int
        How many are done.

    Raises
    ------
    ActError
        If the picture or a model is another one, or an object cannot be written.
    """
    models: dict[Any, Model] = {}
    sights: dict[Any, Sight] = {}
    cache = EmbeddingCache()
    try:
        for number, act in enumerate(acts):
            if act.changes:
                _set_pixels(labels, act.changes)
            if act.objects:
                named = _name_axes(act.axes, len(array.shape), axes)
                planes = ArrayPlanes(array, named, act.channels or None, view=act.view)
                seen = act.model, named, act.index, act.channels, act.view
                if any(done.looks for done in act.objects) and seen not in sights:
                    if act.model not in models:
                        models[act.model] = load(act.model)
                    sights[seen] = _look_at(act, planes, models[act.model], cache)
                _write_objects(act, planes, labels, sights.get(seen))
            yield number + 1
    finally:
        for model in models.values():
            model.close()


def _set_pixels(labels: Any, changes: Sequence[Change]) -> None:
    shape = tuple(int(n) for n in labels.shape)
    for change in changes:
        if np.prod(change.area.shape) != np.prod(shape):
            raise ActError(
                f"The recipe changes labels of the shape {change.area.shape}; these are {shape}."
            )
        at = np.unravel_index(change.area.pixels, shape)
        outer = np.stack(at[:-2], axis=1) if len(shape) > 2 else np.zeros((len(at[0]), 0), np.intp)
        for index in np.unique(outer, axis=0):
            here = (outer == index).all(axis=1)
            plane = np.array(labels[tuple(index)])
            plane[at[-2][here], at[-1][here]] = change.label
            labels[tuple(index)] = plane


def _look_at(act: Act, planes: ArrayPlanes, model: Model, cache: EmbeddingCache) -> Sight:
    """Return what answers questions about an act's plane, as the session does."""
    if act.fingerprint and model.id != act.fingerprint:
        raise ActError(
            f"The recipe was made with {act.fingerprint}, and {act.model} is {model.id} here; "
            "get that version, or empty the step's fingerprint to use this one."
        )
    read = partial(planes.read, act.index)
    if is_large(planes.plane_shape):
        near = Neighbourhoods(model, planes.plane_shape, read, cache)

        def ask_near(prompts: Prompts, style: Style) -> Mask:
            return take_style(near.answer([prompts], style.diameter), [prompts], style)[0]

        return ask_near

    def ask(prompts: Prompts, style: Style) -> Mask:
        embedding = encode_through(read(), model, cache)
        return answer_plane(model, embedding, [prompts], style, read, cache)[0]

    return ask


def _write_objects(act: Act, planes: ArrayPlanes, labels: Any, sight: Sight | None) -> None:
    """Ask about an act's objects again and write them."""
    masks: list[Mask] = []
    for done in act.objects:
        if done.area is not None:
            masks.append(done.area.to_mask())
        elif sight is not None and done.looks:
            masks.append(_ask(done, sight, planes.plane_shape))
        else:
            raise ActError(f"The recipe does not say how object {done.label} was made.")
    sink = ArrayLabels(labels, planes.label_axes)
    plane = np.array(sink.read(act.index))
    if any(mask.shape != plane.shape for mask in masks):
        raise ActError(
            f"The recipe is for planes of {masks[0].shape}; here they are {plane.shape}."
        )
    mine = [done.label if done.replaces else 0 for done in act.objects]
    fitted = fit_masks(plane, masks, act.rules, mine)
    for fit, done in zip(fitted, act.objects, strict=True):
        if fit.problem:
            raise ActError(f"Object {done.label} cannot be written here: {fit.problem}")
        if done.replaces:
            plane[plane == done.label] = 0
            plane[fit.mask.slices][fit.mask.crop] = done.label
        else:
            rows, columns = commit_mask(plane, fit.mask, done.label, fit.takes)
            plane[rows, columns] = done.label
    sink.write(act.index, plane)


def _ask(done: Accepted, sight: Sight, plane_shape: tuple[int, int]) -> Mask:
    """Ask about one object, look after look."""
    earlier = None if done.opened is None else low_res_from_mask(done.opened.to_mask())
    mask: Mask | None = None
    for look in done.looks:
        points = look.points or None
        signs = look.signs or None
        prompts = make_prompts(points, signs, look.box, earlier, plane_shape=plane_shape)
        ranked, order = rank_candidates(sight(prompts, look.style))
        if look.candidate >= len(order):
            raise ActError(f"The model has no candidate {look.candidate + 1} for this object.")
        mask = ranked[order[look.candidate]]
        earlier = mask.low_res
    assert mask is not None  # one was asked at least
    return mask


def _name_axes(own: str, ndim: int, given: str | None) -> str:
    """Name a picture's axes as an act does; channels may be an axis more or less there."""
    if len(own) == ndim:
        return own
    if given is None or len(given) != ndim or "C" not in given or "C" in own:
        raise ActError(
            f"The recipe is for a picture of the axes {own}; this one has {ndim}: name them."
        )
    at = given.index("C")
    return f"{own[:at]}C{own[at:]}"
