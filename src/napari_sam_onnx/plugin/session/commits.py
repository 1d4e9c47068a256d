"""Accept, discard, undo, redo, delete: what turns prompts into labels and back.

Steps are recorded when the user acts, not when the model answers, so that undo walks back in
the user's order. Objects that are accepted before their answer has come are painted when it
comes, where they were accepted for, and their prompts leave the canvas at once for the next ones.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.errors import explain
from napari_sam_onnx.masks import Mask
from napari_sam_onnx.plugin.layers.labels import (
    LabelledPlane,
    TargetError,
    erase_object,
    label_at,
    paint_mask,
    read_plane,
    repeat,
    replace_object,
    revert,
)
from napari_sam_onnx.plugin.layers.objects import split_objects, without_objects
from napari_sam_onnx.plugin.layers.placing import (
    insert_under_prompts,
    is_empty,
    join,
    on_plane,
    without_plane,
)
from napari_sam_onnx.plugin.layers.plane import plane_shape, round_half_up
from napari_sam_onnx.plugin.layers.snapshot import Correction, Snapshot
from napari_sam_onnx.plugin.layers.writable import check_writable
from napari_sam_onnx.plugin.session.fit import Fitted, fit_masks
from napari_sam_onnx.plugin.session.history import History, Step
from napari_sam_onnx.plugin.session.label_target import LabelTarget
from napari_sam_onnx.upscale import low_res_from_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

    from napari_sam_onnx.plugin.layers.plane import Plane
    from napari_sam_onnx.plugin.layers.snapshot import Paint
    from napari_sam_onnx.plugin.session.engine import Request
    from napari_sam_onnx.plugin.session.session import Session

NOTHING = "There is nothing to accept; click on an object first."


class Commits:
    """Turns the session's prompts and answers into labels.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    changed : Signal
        There is something else to undo or redo, or `turbo` or `overwrite` is another.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        self.session = session
        self.history = History()
        self.labels = LabelTarget(session)
        self.turbo = False
        self._overwrite = False
        self._waiting: list[Step] = []
        session.fit = self._fit_here
        session.edited.connect(self._on_edited)
        session.detached.connect(self._on_detached)
        self.labels.changed.connect(session.fit_again)

    @property
    def overwrite(self) -> bool:
        """Whether new objects take pixels of objects that exist."""
        return self._overwrite

    @overwrite.setter
    def overwrite(self, on: bool) -> None:
        if on != self._overwrite:
            self._overwrite = on
            self.session.fit_again()
            self.changed.emit()

    @property
    def pending(self) -> int:
        """How many accepted objects still wait for their answer or number."""
        return sum(len(step.request.prompts) for step in self._waiting if step.request)

    # Actions

    def accept(self, replacing: bool = False) -> None:
        """Commit the open objects of the current plane as the next labels, as one step.

        Parameters
        ----------
        replacing : bool
            Whether an object that lies on a label takes that label's place.
        """
        session = self.session
        request, prompts = session.request, session.prompts
        if request is None or prompts is None or not request.answerable:
            session.say(NOTHING, "error")
            return
        try:
            session.check_seen()
            step = self._begin(request, prompts)
        except ValueError as error:
            session.fail(error)
            return
        step.replacing = replacing
        if len(session.answers) < len(request.prompts) or not session.answered:
            self._do(step)
            session.replace_prompts(step.after)
            self._ask(step)
            return
        session.fit_again()
        masks = [answer.mask for answer in session.answers]
        fitted = session.fitted
        done = [i for i, fit in enumerate(fitted) if not fit.problem or (replacing and fit.under)]
        refused = [fit.problem for i, fit in enumerate(fitted) if i not in done]
        if not done:
            session.say(refused[0], "error")
            return
        step.request = session.make_request(request.plane, tuple(request.prompts[i] for i in done))
        step.asked = without_objects(
            on_plane(prompts, request.plane),
            request.plane,
            session.each_click,
            [i for i in range(len(fitted)) if i not in done],
        )
        step.after = without_objects(prompts, request.plane, session.each_click, done)
        if not refused:
            step.after = without_plane(prompts, request.plane)
        self._do(step)
        session.replace_prompts(step.after)
        self._paint_when_numbered(step, [masks[i] for i in done])
        if refused and not step.cancelled:
            session.say(f"{len(refused)} of {len(fitted)} were not written: {refused[0]}", "error")

    def discard(self) -> None:
        """Drop the current plane's prompts."""
        session = self.session
        if session.prompts is None or session.plane is None:
            session.say("There is nothing to discard.", "error")
            return
        after = without_plane(session.prompts, session.plane)
        if after.equals(session.prompts):
            session.say("There is nothing to discard.")
            return
        self._do(Step(session.plane, session.prompts, after))
        session.replace_prompts(after)

    def undo(self) -> None:
        """Take back the last prompt, commit, deletion, run or discard."""
        step = self.history.pop_done()
        if step is None:
            self.session.say("There is nothing left to undo.")
            return
        if step.pending:  # the answer has still to come and will not be painted
            self._settle(step, cancelled=True)
            self.history.drop(step)
        self._walk(step, back=True)

    def redo(self) -> None:
        """Do again what was undone last."""
        step = self.history.pop_undone()
        if step is None:
            self.session.say("There is nothing to redo.")
            return
        self._walk(step, back=False)

    def toggle_turbo(self) -> None:
        """Commit each click at once, or stop doing so."""
        self.turbo = not self.turbo
        self.session.say(
            "Turbo: each click commits an object; Q ends it." if self.turbo else "Turbo is off."
        )
        self.changed.emit()

    def delete_at(self, world: Any, whole: bool = False) -> None:
        """Delete the object under a position in world coordinates.

        Parameters
        ----------
        world : (D,) array-like
        whole : bool
            On all planes, or on the one that is shown.
        """
        session = self.session
        found = self._find_object(world)
        if found is None or session.plane is None or session.prompts is None:
            return
        layer, label = found
        try:
            check_writable(layer)
            with self.labels.writing(layer):
                paint, elsewhere = erase_object(layer, session.plane, label, whole)
        except Exception as error:  # a lazy array refuses to be written in its own way
            session.fail(error)
            return
        self._do(Step(session.plane, session.prompts, session.prompts, paints=(paint,)))
        session.fit_again()
        back = "Ctrl+Z brings it back"
        if whole:
            session.say(f"Deleted object {label} on all planes; {back}.", "ready")
        elif elsewhere:
            session.say(
                f"Took object {label} off this plane; {back}. It is on other planes too: Shift+K "
                "deletes the whole object.",
                "ready",
            )
        else:
            session.say(f"Deleted object {label}; {back}.", "ready")

    def correct_at(self, world: Any) -> None:
        """Open the labelled object under a position, so that clicks correct it and N replaces it.

        Any label image that fits is looked at: the target first, then the others from the top.
        """
        session = self.session
        pixel = session.to_plane(world)
        if session.plane is None or session.prompts is None or pixel is None:
            session.say("There is no picture under the cursor.", "error")
            return
        y, x = (round_half_up(value) for value in pixel)
        layers = [layer for layer in reversed(self.labels.fitting()) if layer.visible]
        layers.sort(key=lambda layer: layer is not self.labels.layer)
        for layer in layers:
            label = label_at(layer, session.plane, (y, x))
            if label:
                self._open_object(layer, label, session.plane)
                return
        session.say("There is no labelled object under the cursor.", "error")

    def take_made(self, layer: Labels) -> None:
        """Make a run's result the target, as a step that can be undone."""
        session = self.session
        before = self.labels.layer
        self.labels.choose(layer)
        if session.plane is not None and session.prompts is not None:
            prompts = session.prompts
            self._do(Step(session.plane, prompts, prompts, made=layer, target=before))

    def close(self) -> None:
        """Let go of all label images; what still waits is not written."""
        for step in self._waiting:
            step.cancelled = True
        self._waiting.clear()
        self.history.clear()
        self.labels.close()

    # Inside

    def _open_object(self, layer: Labels, label: int, plane: Plane) -> None:
        """Open an object, and write into its label image from now on."""
        self.labels.choose(layer)
        if self.labels.layer is not layer:  # it cannot be painted, and that was said
            return
        mask = Mask.from_array(read_plane(layer, plane) == label)
        opened = replace(mask, low_res=low_res_from_mask(mask))
        self.session.correct(Correction(plane, layer, label, opened))

    def _begin(self, request: Request, prompts: Snapshot) -> Step:
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
        return step

    def _do(self, step: Step) -> None:
        self.history.push(step)
        self.changed.emit()

    def _on_edited(self, before: Snapshot, after: Snapshot) -> None:
        """Record what the user did to the prompts; in turbo, commit it."""
        plane = self.session.plane
        assert plane is not None
        at_once = self.turbo and after.correction_on(plane) is None
        if not (at_once and self._commit_new(before, after)):
            self._do(Step(plane, before, after))

    def _commit_new(self, before: Snapshot, after: Snapshot) -> bool:
        """Commit the click or the box that an edit added; whether it added one."""
        session, plane = self.session, self.session.plane
        added = _added(before, after)
        if added is None or plane is None:
            return False
        session.replace_prompts(before)
        request = session.make_request(plane, split_objects(added, plane))
        if not request.answerable:
            session.say("Turbo takes clicks on objects; Q ends it.", "error")
            return True
        try:
            step = self._begin(request, before)
        except ValueError as error:
            session.fail(error)
            return True
        step.after, step.asked = before, added
        self._do(step)
        self._ask(step)
        return True

    def _wait(self, step: Step) -> None:
        """Remember that a step's objects have still to be painted."""
        step.pending = True
        if not any(waiting is step for waiting in self._waiting):
            self._waiting.append(step)

    def _settle(self, step: Step, cancelled: bool = False) -> None:
        """Forget it: they were painted, or will not be."""
        step.pending, step.cancelled = False, cancelled
        self._waiting = [waiting for waiting in self._waiting if waiting is not step]

    def _ask(self, step: Step) -> None:
        """Paint a step's objects when the model has answered."""
        self._wait(step)
        assert step.request is not None

        def paint(_: Request, masks: list[Mask]) -> None:
            if not step.cancelled:
                self._paint_when_numbered(step, masks)

        self.session.ask(step.request, paint, partial(self._give_back, step), replaceable=False)

    def _paint_when_numbered(self, step: Step, masks: list[Mask]) -> None:
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
        try:
            fits = self._fit(step, masks)
            layer = self.labels.open(home)
            with self.labels.writing(layer) as numbers:
                wanted = numbers.next
                for fit, own in fits:
                    if own:
                        paints.append(replace_object(layer, fit.mask, plane, own))
                        continue
                    label = numbers.find_free(plane)
                    paints.append(paint_mask(layer, fit.mask, plane, label, self.overwrite))
                    numbers.take(paints[-1:])
        except Exception as error:  # a lazy array refuses to be written in its own way
            if paints:
                with self.labels.writing(paints[0].layer) as numbers:
                    for paint in reversed(paints):
                        revert(paint)
                    numbers.give_back(paints[::-1])
            self._give_back(step, error)
            return
        self._settle(step)
        step.paints = tuple(paints)
        layer.selected_label = max(int(paint.after.max()) for paint in paints)
        session.fit_again()
        taken = not any(own for _, own in fits) and int(paints[0].after.max()) != wanted
        note = f" Number {wanted} was taken." if taken else ""
        session.say(_describe_paints(paints, layer.name) + note, "ready")
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
        fitted = fit_masks(labels, masks, self.overwrite, mine)
        if step.replacing and any(fit.under for fit in fitted):
            mine = [own or fit.under for own, fit in zip(mine, fitted, strict=True)]
            fitted = fit_masks(labels, masks, self.overwrite, mine)
        problem = next((fit.problem for fit in fitted if fit.problem), "")
        if problem:
            raise TargetError(problem)
        return list(zip(fitted, mine, strict=True))

    def _fit_here(self, masks: Sequence[Mask], plane: Plane) -> tuple[Fitted, ...]:
        """Say what accepting the open objects would write now."""
        session = self.session
        picture, prompts = session.picture, session.prompts
        if picture is None or prompts is None:
            return fit_masks(None, masks)
        layer = self.labels.layer
        fits = layer is not None and tuple(layer.data.shape) == picture.shape
        correction = prompts.correction_on(plane)
        if correction is not None and correction.layer is not layer:
            prompts = replace(prompts, corrections=())
        mine = [_corrected(prompts, plane, answer.prompts) for answer in session.answers]
        return fit_masks(_read_labels(layer, plane) if fits else None, masks, self.overwrite, mine)

    def _give_back(self, step: Step, error: Exception) -> None:
        """Forget a commit that failed and say why; its prompts return where their plane is free."""
        if step.cancelled:
            return
        self._settle(step, cancelled=True)
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

    def _walk(self, step: Step, back: bool) -> None:
        """Apply a step in one direction: its labels, its prompts, its plane."""
        session, prompts = self.session, step.before if back else step.after
        said = self._walk_paints(step, back) if step.paints else ""
        if step.made is not None:
            said = self._walk_made(step, step.made, back)
        session.go_to(step.plane)
        current = session.prompts
        if current is not None and not current.equals(prompts):
            session.replace_prompts(prompts)
        session.fit_again()
        if said:
            session.say(said)
        self.changed.emit()

    def _walk_paints(self, step: Step, back: bool) -> str:
        """Take a step's pixels back or set them again; what to say about it."""
        present = [p for p in step.paints if p.layer in self.session.viewer.layers]
        if len(present) < len(step.paints):
            return "Its labels layer was removed."
        layer = present[0].layer
        with self.labels.writing(layer) as numbers:
            apply = revert if back else repeat
            held = [paint for paint in (present[::-1] if back else present) if apply(paint)]
            numbers.give_back(held) if back else numbers.take(held)
        if len(held) < len(present):
            return "Those labels were changed by hand since; they stay."
        return _describe_walk(held, back)

    def _walk_made(self, step: Step, layer: Labels, back: bool) -> str:
        """Take a run's result out of the viewer, or put it back."""
        session = self.session
        present = layer in session.viewer.layers
        if back and present:
            if step.target is not None and step.target in session.viewer.layers:
                self.labels.choose(step.target)
            session.viewer.layers.remove(layer)
            return f"Took “{layer.name}” away; Ctrl+Shift+Z brings it back."
        if not back and not present:
            insert_under_prompts(session.viewer, session.layers, layer)
            self.labels.choose(layer)
            return f"“{layer.name}” is back."
        return f"“{layer.name}” was removed already." if back else ""

    def _find_object(self, world: Any) -> tuple[Labels, int] | None:
        """Find the labelled object under a position; say so where there is none."""
        session, layer = self.session, self.labels.layer
        pixel = session.to_plane(world)
        if session.plane is None or session.prompts is None or pixel is None:
            session.say("There is no picture under the cursor.", "error")
            return None
        if layer is None:
            session.say("There are no labels yet; accept an object first.", "error")
            return None
        y, x = (round_half_up(value) for value in pixel)
        label = label_at(layer, session.plane, (y, x))
        if not label:
            session.say("There is no labelled object under the cursor.", "error")
            return None
        return layer, label

    def _on_detached(self) -> None:
        """Forget what belonged to the old picture; what was accepted on it is still written."""
        self.history.clear()
        self.overwrite = False  # a choice for one picture, dangerous on the next
        self.changed.emit()


def _read_labels(layer: Labels | None, plane: Plane) -> Any:
    return None if layer is None else LabelledPlane(layer, plane)


def _corrected(prompts: Snapshot, plane: Plane, asked: Any) -> int:
    """Return the label that an object's prompts correct, or 0."""
    correction = prompts.correction_on(plane)
    if correction is None or asked.mask is None or asked.mask is not correction.mask.low_res:
        return 0
    return correction.label


def _describe_paints(paints: Sequence[Paint], name: str) -> str:
    """Say what was written."""
    pixels = sum(int(np.count_nonzero(paint.after)) for paint in paints)
    labels = [int(paint.after.max()) for paint in paints]
    if len(paints) == 1:
        changed = " changed" if paints[0].before.any() else ""
        return f"Object {labels[0]}: {pixels:,} pixels{changed} in “{name}”."
    return f"Objects {labels[0]} to {labels[-1]}: {pixels:,} pixels in “{name}”."


def _describe_walk(paints: Sequence[Paint], back: bool) -> str:
    """Say what undo or redo did to the labels."""
    paint, several = paints[0], len(paints) > 1
    number = int(max(paint.after.max(), paint.before.max()))
    changed = bool(paint.after.any() and paint.before.any())
    appears = bool(paint.after.any()) is not back
    state = "as before" if changed else "there" if appears else "gone"
    what = f"{len(paints)} objects are" if several else f"object {number} is"
    other = "Ctrl+Shift+Z does it again" if back else "Ctrl+Z undoes it"
    return f"{'Undone' if back else 'Done again'}: {what} {state}; {other}."


def _added(before: Snapshot, after: Snapshot) -> Snapshot | None:
    """Return the one prompt that an edit added, or None where it did something else."""
    n = len(before.points)
    same_points = np.array_equal(after.points[:n], before.points)
    if len(after.points) == n + 1 and same_points and len(after.boxes) == len(before.boxes):
        return Snapshot(after.points[n:], after.positive[n:])
    if np.array_equal(after.points, before.points):
        old = {box.tobytes() for box in before.boxes}
        new = [box for box in after.boxes if box.tobytes() not in old]
        if len(new) == 1 and len(after.boxes) >= len(before.boxes):
            return Snapshot(after.points[:0], after.positive[:0], (new[0],))
    return None
