"""Accepted objects -> labels: at once, or when the model has answered and a number is known.

What is accepted is written where it was accepted for, whatever is looked at meanwhile; what cannot
be written gives its prompts back.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam_onnx.errors import explain
from napari_sam_onnx.labels.fitting import Fitted, fit_masks
from napari_sam_onnx.labels.rules import Rules
from napari_sam_onnx.plugin.commits.history import Step
from napari_sam_onnx.plugin.commits.naming import apply_naming, make_naming
from napari_sam_onnx.plugin.commits.recording import describe_accepted, keep_act
from napari_sam_onnx.plugin.layers.labels import (
    LabelledPlane,
    TargetError,
    can_be_target,
    paint_mask,
    replace_object,
    revert,
)
from napari_sam_onnx.plugin.layers.snapshot import is_empty, join, on_plane, without_plane
from napari_sam_onnx.plugin.picture.plane import plane_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Labels

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.commits.history import History
    from napari_sam_onnx.plugin.commits.label_target import LabelTarget
    from napari_sam_onnx.plugin.layers.snapshot import Naming, Paint, Snapshot
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.session.engine import Request
    from napari_sam_onnx.plugin.session.session import Session


class Painter:
    """Writes accepted objects.

    Parameters
    ----------
    session : Session
    labels : LabelTarget
        Where to.
    history : History
        Which forgets what could not be written.

    Attributes
    ----------
    rules : Rules
        How new objects are written.
    class_of_next : callable
        Says the class of new objects; None where there are no classes.
    changed : Signal
        Objects were written, or could not be.
    """

    changed = Signal()

    def __init__(self, session: Session, labels: LabelTarget, history: History) -> None:
        self.session = session
        self.labels = labels
        self.history = history
        self.rules = Rules()
        self.class_of_next: Callable[[], str | None] = lambda: None
        self._waiting: list[Step] = []

    @property
    def pending(self) -> int:
        """How many accepted objects still wait for their answer or number."""
        return sum(len(step.request.prompts) for step in self._waiting if step.request)

    def close(self) -> None:
        """Write nothing that still waits."""
        for step in self._waiting:
            step.cancelled = True
        self._waiting.clear()

    def begin(self, request: Request, prompts: Snapshot) -> Step:
        """Begin a step that commits what a request asks about."""
        step = Step(request.plane, prompts, without_plane(prompts, request.plane))
        correction = prompts.correction_on(request.plane)
        if correction is not None and correction.layer is not self.labels.layer:
            raise TargetError(
                f"Object {correction.label} is in “{correction.layer.name}”; choose that under "
                "Labels to write it, or press Esc to leave it."
            )
        step.home, step.request = self.labels.home(), request
        step.asked = on_plane(prompts, request.plane)
        step.rules, step.named = self.rules, self.class_of_next()
        return step

    def _wait(self, step: Step) -> None:
        """Remember that a step's objects have still to be painted."""
        step.pending = True
        if not any(waiting is step for waiting in self._waiting):
            self._waiting.append(step)

    def settle(self, step: Step, cancelled: bool = False) -> None:
        """Forget it: they were painted, or will not be."""
        step.pending, step.cancelled = False, cancelled
        self._waiting = [waiting for waiting in self._waiting if waiting is not step]

    def ask(self, step: Step) -> None:
        """Paint a step's objects when the model has answered."""
        self._wait(step)
        assert step.request is not None

        def paint(_: Request, masks: list[Mask]) -> None:
            if not step.cancelled:
                self.paint_when_numbered(step, masks)

        self.session.dialogue.ask(
            step.request, paint, partial(self._give_back, step), replaceable=False
        )

    def paint_when_numbered(self, step: Step, masks: list[Mask]) -> None:
        """Paint a step's objects when it is known which numbers are free."""
        self._wait(step)
        assert step.home is not None
        paint, failed = partial(self._paint, step, masks), partial(self._give_back, step)
        self.labels.when_numbered(step.home, paint, failed)

    def _paint(self, step: Step, masks: list[Mask]) -> None:
        """Write objects as the next labels, or each in the place of the label that it corrects."""
        if step.cancelled:
            return
        session, home, plane = self.session, step.home, step.plane
        assert home is not None and step.request is not None
        paints: list[Paint] = []
        written: list[int] = []
        try:
            fits = self._fit(step, masks)
            layer = self.labels.open(home)
            with self.labels.writing(layer) as free:
                wanted = free.next
                for number, (fit, own) in enumerate(fits):
                    if own:
                        replaced = replace_object(layer, fit.mask, plane, own)
                        if replaced is None:  # it was opened and not corrected
                            continue
                        paints.append(replaced)
                    else:
                        label = free.find_free(plane)
                        paints.append(paint_mask(layer, fit.mask, plane, label, fit.takes))
                        free.take(paints[-1:])
                    written.append(number)
        except Exception as error:  # a lazy array refuses to be written in its own way
            if paints:
                with self.labels.writing(paints[0].layer) as free:
                    for paint in reversed(paints):
                        revert(paint)
                    free.give_back(paints[::-1])
            self._give_back(step, error)
            return
        self.settle(step)
        same = [own for number, (_, own) in enumerate(fits) if number not in written]
        unchanged = f"{_name_numbers(same).capitalize()} stays as it is." if same else ""
        if not paints:
            session.say(f"{unchanged} Nothing was corrected.")
            self.changed.emit()
            return
        step.paints = tuple(paints)
        if same:
            masks = [masks[number] for number in written]
            asked = tuple(step.request.prompts[number] for number in written)
            step.request = replace(step.request, prompts=asked)
            step.answers = tuple(step.answers[number] for number in written if step.answers)
        owned = [fits[number][1] for number in written]
        step.naming = _name_objects(step, paints, owned)
        assert step.request is not None
        known = session.engine.id_of(step.request.source)
        step.act = describe_accepted(step, masks, owned, paints, known)
        keep_act(step)
        numbers = [own or int(paint.after.max()) for own, paint in zip(owned, paints, strict=True)]
        if all(owned):
            step.what = f"the correction of {_name_numbers(numbers)}"
        layer.selected_label = max(numbers)
        session.dialogue.fit_again()
        taken = not any(owned) and numbers[0] != wanted
        note = f" Number {wanted} was taken." if taken else f" {unchanged}".rstrip()
        session.say(_describe_paints(paints, numbers, any(owned), layer.name) + note, "ready")
        self.changed.emit()

    def _fit(self, step: Step, masks: Sequence[Mask]) -> list[tuple[Fitted, int]]:
        """Fit a step's masks into the labels as they are now; with each the label it replaces.

        Raises
        ------
        TargetError
            If one of them cannot be written.
        """
        assert step.home is not None and step.request is not None and step.asked is not None
        mine = [_corrected(step.asked, step.plane, asked) for asked in step.request.prompts]
        shape = plane_shape(step.home.picture.shape, step.plane)
        if any(tuple(mask.shape) != shape for mask in masks):
            raise TargetError("The picture has another shape now; the object was not written.")
        labels = _read_labels(step.home.layer, step.plane)
        fitted = fit_masks(labels, masks, step.rules or self.rules, mine)
        if step.replacing and any(fit.under for fit in fitted):
            mine = [own or fit.under for own, fit in zip(mine, fitted, strict=True)]
            fitted = fit_masks(labels, masks, step.rules or self.rules, mine)
        problem = next((fit.problem for fit in fitted if fit.problem), "")
        if problem:
            raise TargetError(problem)
        return list(zip(fitted, mine, strict=True))

    def fit_here(
        self, masks: Sequence[Mask], plane: Plane, rules: Rules | None = None
    ) -> tuple[Fitted, ...]:
        """Say what accepting the open objects would write now, by other rules where given."""
        rules = self.rules if rules is None else rules
        session = self.session
        picture, prompts = session.picture, session.prompts
        if picture is None or prompts is None:
            return fit_masks(None, masks, rules)
        layer = self.labels.layer
        fits = layer is not None and can_be_target(layer, picture)
        correction = prompts.correction_on(plane)
        if correction is not None and correction.layer is not layer:
            prompts = replace(prompts, corrections=())
        mine = [_corrected(prompts, plane, answer.prompts) for answer in session.answers]
        return fit_masks(_read_labels(layer, plane) if fits else None, masks, rules, mine)

    def _give_back(self, step: Step, error: Exception) -> None:
        """Forget a commit that failed and say why; its prompts return where their plane is free."""
        if step.cancelled:
            return
        self.settle(step, cancelled=True)
        self.history.drop(step)
        session, prompts = self.session, self.session.prompts
        assert step.home is not None and step.asked is not None
        same = session.picture is not None and session.picture.main is step.home.picture.main
        if same and prompts is not None:
            if is_empty(on_plane(prompts, step.plane)):
                session.replace_prompts(join(prompts, step.asked))
            session.fail(error)
        else:
            session.say(f"An accepted object was not written: {explain(error)}", "error")
        self.changed.emit()


def _name_objects(step: Step, paints: Sequence[Paint], owned: Sequence[int]) -> Naming | None:
    """Give accepted objects their class; one that was corrected keeps its own."""
    if step.named is None:
        return None
    wanted = {
        own or int(paint.after.max()): step.named
        for paint, own in zip(paints, owned, strict=True)
        if step.renames or not own
    }
    naming = make_naming(paints[0].layer, wanted)
    if naming is not None:
        apply_naming(naming)
    return naming


def _read_labels(layer: Labels | None, plane: Plane) -> Any:
    return None if layer is None else LabelledPlane(layer, plane)


def _corrected(prompts: Snapshot, plane: Plane, asked: Any) -> int:
    """Return the label that an object's prompts correct, or 0."""
    correction = prompts.correction_on(plane)
    return correction.label if correction is not None and correction.is_asked(asked) else 0


def _name_numbers(numbers: Sequence[int]) -> str:
    """Name objects by their numbers."""
    first, last = min(numbers), max(numbers)
    return f"object {first}" if len(numbers) == 1 else f"objects {first} to {last}"


def _describe_paints(
    paints: Sequence[Paint], numbers: Sequence[int], corrected: bool, name: str
) -> str:
    """Say what was written; of a correction, how much came and went."""
    count = sum(len(paint.after) for paint in paints)
    what = _name_numbers(numbers).capitalize()
    changed = " changed" if corrected or any(paint.before.any() for paint in paints) else ""
    return f"{what}: {count:,} pixels{changed} in “{name}”."
