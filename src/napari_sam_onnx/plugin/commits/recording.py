"""Steps of the session -> acts, kept with the label image that they changed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.plugin.layers.classes import list_of
from napari_sam_onnx.plugin.layers.labels import TargetError
from napari_sam_onnx.plugin.picture.geometry import MARK, role_of
from napari_sam_onnx.records.acts import Accepted, Act, Area, Change, Look
from napari_sam_onnx.records.recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.layers import Labels

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.commits.history import Step
    from napari_sam_onnx.plugin.layers.snapshot import Paint
    from napari_sam_onnx.plugin.session.answers import Answer
    from napari_sam_onnx.plugin.session.engine import Request
    from napari_sam_onnx.prompting.style import Style
    from napari_sam_onnx.prompts import Prompts


def keep_act(step: Step) -> None:
    """Keep what a step did with its label image."""
    layer = _layer_of(step)
    if layer is not None and step.act is not None:
        layer.metadata.setdefault(MARK, {}).setdefault("acts", []).append(step.act)


def drop_act(step: Step) -> None:
    """Forget what a step did: it is undone."""
    layer = _layer_of(step)
    if layer is not None and step.act is not None:
        kept = layer.metadata.get(MARK, {}).get("acts", [])
        kept[:] = [act for act in kept if act is not step.act]


def describe_edit(step: Step) -> Act | None:
    """Say what a step did to labels, as pixels; an act of nothing where that is not known."""
    if step.paints:
        changes = tuple(_list_changes(step.paints))
        return Act(step.what or _describe(step.paints), changes, classes=_named_by(step))
    if step.naming is not None:
        return Act(step.what, classes=_named_by(step))
    if step.action is not None:
        return Act(f"a run on “{step.action.layer.name}”")
    made = step.made
    if made is not None and "recipe" not in made.metadata.get(MARK, {}):
        return Act(f"the run that made “{made.name}”")
    return None


def describe_accepted(
    step: Step, masks: Sequence[Mask], owned: Sequence[int], paints: Sequence[Paint], model_id: str
) -> Act:
    """Say which objects a step accepted, and how each was asked.

    Parameters
    ----------
    step : Step
    masks : sequence of Mask
        The objects as they were answered.
    owned : sequence of int
        The label that each replaced; 0 for none.
    paints : sequence of Paint
        What was written of each.
    model_id : str
    """
    request = step.request
    assert request is not None and step.rules is not None
    reader, plane = request.reader, request.plane
    planes = reader.planes(plane.axes)
    objects = []
    for number, (mask, own, paint) in enumerate(zip(masks, owned, paints, strict=True)):
        label = own or int(paint.after.max())
        answer = step.answers[number] if step.answers else None
        looks, opened = _trace(step, request, request.prompts[number], answer)
        area = None if looks else Area.of_mask(mask)
        objects.append(Accepted(label, looks, opened if looks else None, area, bool(own)))
    source = request.source
    return Act(
        _describe(paints),
        objects=tuple(objects),
        axes=planes.array_axes,
        index=reader.index_of(plane),
        channels=planes.channels,
        view=planes.view,
        model=source if isinstance(source, str) else tuple(map(str, np.atleast_1d(source))),
        fingerprint=model_id,
        rules=step.rules,
        classes=_named_by(step),
    )


def describe_layer(layer: Labels, style: Style | None = None) -> Recipe:
    """Return how a label image was made, to be done again.

    Parameters
    ----------
    layer : napari Labels layer
    style : Style, optional
        The outlines that were learnt meanwhile.

    Raises
    ------
    TargetError
        If that is not known: it was not begun here, or something changed it that is not kept.
    """
    mark = layer.metadata.get(MARK, {})
    acts: tuple[Act, ...] = tuple(mark.get("acts", ()))
    base = mark.get("recipe")
    classes = list_of(layer)
    learnt = None if style is None or style.plain else style.to_dict()
    if role_of(layer) != "labels":
        raise TargetError(f"“{layer.name}” was not begun here, so a recipe cannot make it.")
    if base is not None and "format" not in base:
        raise TargetError(f"“{layer.name}” was found by words, which a recipe does not hold.")
    unknown = next((act.what for act in acts if _is_unknown(act)), None)
    if unknown is not None:
        raise TargetError(f"A recipe cannot hold {unknown}; undo it, or save the labels instead.")
    if base is not None:
        listed = [asdict(one) for one in classes]
        return Recipe.from_dict(
            {**base, "acts": [act.to_dict() for act in acts], "classes": listed, "style": learnt}
        )
    if not acts:
        raise TargetError(f"Nothing was accepted in “{layer.name}” yet.")
    shown = next((act for act in acts if act.channels), None)
    if shown is None:
        raise TargetError(f"Nothing was accepted in “{layer.name}” yet.")
    return Recipe(
        shown.model,
        shown.fingerprint,
        shown.axes,
        shown.channels,
        "",
        view=shown.view,
        acts=acts,
        classes=classes,
        style=learnt,
    )


def _named_by(step: Step) -> tuple[tuple[int, str], ...]:
    return () if step.naming is None else tuple(sorted(step.naming.after.items()))


def _is_unknown(act: Act) -> bool:
    """Whether an act says that something happened, and not what."""
    return not (act.objects or act.changes or act.classes)


def _layer_of(step: Step) -> Any:
    if step.paints:
        return step.paints[0].layer
    if step.naming is not None:
        return step.naming.layer
    return step.made if step.action is None else step.action.layer


def _trace(
    step: Step, request: Request, prompts: Prompts, answer: Answer | None
) -> tuple[tuple[Look, ...], Area | None]:
    """List what was asked about an object, and what it was opened with.

    No looks where a model cannot be asked again: of a thick slice, of a mask from elsewhere.
    """
    if request.plane.slab:
        return (), None
    chain: list[tuple[Prompts, int, Any]] = [(prompts, 0, request.style)]
    if answer is not None:
        chain = [(link.prompts, link.chosen, link.style) for link in _links(answer)][::-1]
    first, opened = chain[0][0].mask, None
    if first is not None and len(chain) > 1 and not len(chain[0][0].points):
        del chain[0]  # the object as it was opened, which nobody was asked about
    if any(style is None for _, _, style in chain):
        return (), None
    if first is not None:
        correction = None if step.asked is None else step.asked.correction_on(request.plane)
        if correction is None or first is not correction.mask.low_res:
            return (), None
        opened = Area.of_mask(correction.mask)
    return tuple(_look(*link) for link in chain), opened


def _links(answer: Answer) -> Iterator[Answer]:
    """Yield an answer, the one it refines, and so on."""
    link: Answer | None = answer
    while link is not None:
        yield link
        link = link.before


def _look(prompts: Prompts, candidate: int, style: Any) -> Look:
    y0, x0, y1, x1 = (0.0,) * 4 if prompts.box is None else map(float, prompts.box)
    return Look(
        tuple((float(y), float(x)) for y, x in prompts.points),
        tuple(int(sign) for sign in prompts.labels),
        None if prompts.box is None else (y0, x0, y1, x1),
        candidate,
        style,
    )


def _list_changes(paints: Sequence[Paint]) -> Iterator[Change]:
    """List the pixels that paints set, by the number that they set."""
    for paint in paints:
        shape = tuple(int(n) for n in paint.layer.data.shape)
        flat = np.ravel_multi_index(paint.indices, shape)
        for label in np.unique(paint.after):
            yield Change(int(label), Area.of_pixels(flat[paint.after == label], shape))


def _describe(paints: Sequence[Paint]) -> str:
    labels = sorted({int(value) for p in paints for value in np.unique(p.after) if value})
    if not labels:
        gone = sorted({int(value) for p in paints for value in np.unique(p.before) if value})
        return f"deleted {', '.join(map(str, gone))}"
    return f"objects {', '.join(map(str, labels))}"
