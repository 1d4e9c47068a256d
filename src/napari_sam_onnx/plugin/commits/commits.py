"""Accept, discard, undo, redo, delete: what turns prompts into labels and back.

Steps are recorded when the user acts, not when the model answers, so that undo walks back in
the user's order. Objects that are accepted before their answer has come are painted when it
comes, where they were accepted for, and their prompts leave the canvas at once for the next ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.plugin.commits.history import Action, History, Step
from napari_sam_onnx.plugin.commits.label_target import LabelTarget
from napari_sam_onnx.plugin.commits.naming import apply_naming, inherit
from napari_sam_onnx.plugin.commits.painting import Painter
from napari_sam_onnx.plugin.commits.picking import open_object, pick
from napari_sam_onnx.plugin.commits.recording import describe_edit, drop_act, keep_act
from napari_sam_onnx.plugin.commits.results import Results
from napari_sam_onnx.plugin.commits.tints import Tints
from napari_sam_onnx.plugin.commits.walking import walk
from napari_sam_onnx.plugin.layers.labels import TargetError, erase_object
from napari_sam_onnx.plugin.layers.objects import split_objects, without_objects
from napari_sam_onnx.plugin.layers.snapshot import Snapshot, on_plane, without_plane
from napari_sam_onnx.plugin.layers.writable import check_writable
from napari_sam_onnx.plugin.picture.sliders import explain_no_plane

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels

    from napari_sam_onnx.labels.rules import Overlap, Rules
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
        There is something else to undo or redo, or `turbo` or `rules` are others.
    walked : Signal
        A step was undone or done again: the step, and whether it was undone.
    recorded : Signal
        The user did something that can be undone.
    accepted : Signal
        The user looked at masks and accepted them: the request about them, and the masks.
    walking : bool
        A step is being undone or done again.
    ask_overlap : callable
        Asked what to do where a new object overlaps one that exists, as the rules may say: takes a
        sentence and returns an overlap policy, or None to write nothing.
    """

    changed = Signal()
    walked = Signal(object, bool)
    recorded = Signal()
    accepted = Signal(object, object)

    def __init__(self, session: Session) -> None:
        self.session = session
        self.history = History()
        self.labels = LabelTarget(session)
        self.results = Results(self.labels)
        self.turbo = self.walking = False
        self.ask_overlap: Callable[[str], Overlap | None] = lambda _: None
        self.painter = Painter(session, self.labels, self.history)
        self.painter.changed.connect(self.changed.emit)
        session.dialogue.fit = self.painter.fit_here
        self.tints = Tints(session, self.labels)
        session.edited.connect(self._on_edited)
        session.detached.connect(self._on_detached)
        self.labels.changed.connect(session.dialogue.fit_again)

    @property
    def rules(self) -> Rules:
        """How new objects are written."""
        return self.painter.rules

    @rules.setter
    def rules(self, rules: Rules) -> None:
        if rules != self.painter.rules:
            self.painter.rules = rules
            self.session.dialogue.fit_again()
            self.changed.emit()

    # Actions

    def accept(self, replacing: bool = False, named: str | None = None) -> None:
        """Commit the open objects of the current plane as the next labels, as one step.

        Parameters
        ----------
        replacing : bool
            Whether an object that lies on a label takes that label's place.
        named : str, optional
            The class that it gets, instead of that of all next objects.
        """
        session = self.session
        request, prompts = session.request, session.prompts
        if session.picture is not None and session.plane is None:
            session.say(explain_no_plane(session.viewer), "error")
            return
        if request is None or prompts is None or not request.answerable:
            session.say(NOTHING)
            return
        try:
            session.dialogue.check_seen()
            step = self.painter.begin(request, prompts)
        except ValueError as error:
            session.fail(error)
            return
        step.replacing = replacing
        if named is not None:
            step.named, step.renames = named, True
        if len(session.answers) < len(request.prompts) or not session.dialogue.answered:
            self.record(step)
            session.replace_prompts(step.after)
            self.painter.ask(step)
            return
        session.dialogue.fit_again()
        masks = [answer.mask for answer in session.answers]
        if self.rules.overlap == "ask" and not replacing and not self._ask_overlap(step):
            return
        fitted = self.painter.fit_here(masks, request.plane, step.rules)
        done = [i for i, fit in enumerate(fitted) if not fit.problem or (replacing and fit.under)]
        refused = [fit.problem for i, fit in enumerate(fitted) if i not in done]
        if not done:
            session.say(refused[0], "error")
            return
        step.request = session.dialogue.make_request(
            request.plane, tuple(request.prompts[i] for i in done)
        )
        step.answers = tuple(session.answers[i] for i in done)
        step.asked = without_objects(
            on_plane(prompts, request.plane),
            request.plane,
            session.each_click,
            [i for i in range(len(fitted)) if i not in done],
        )
        step.after = without_objects(prompts, request.plane, session.each_click, done)
        if not refused:
            step.after = without_plane(prompts, request.plane)
        self.record(step)
        self.accepted.emit(step.request, [masks[i] for i in done])
        session.replace_prompts(step.after)
        self.painter.paint_when_numbered(step, [masks[i] for i in done])
        if refused and not step.cancelled:
            session.say(f"{len(refused)} of {len(fitted)} were not written: {refused[0]}", "error")

    def discard(self) -> None:
        """Drop the current plane's prompts."""
        session = self.session
        if session.prompts is None or session.plane is None:
            session.say("There is nothing to discard.")
            return
        after = without_plane(session.prompts, session.plane)
        if after.equals(session.prompts):
            session.say("There is nothing to discard.")
            return
        self.record(Step(session.plane, session.prompts, after))
        session.replace_prompts(after)

    def undo(self) -> None:
        """Take back the last prompt, commit, deletion, run or discard."""
        step = self.history.pop_done()
        if step is None:
            self.session.say("There is nothing left to undo.")
            return
        if step.pending:  # the answer has still to come and will not be painted
            self.painter.settle(step, cancelled=True)
            self.history.drop(step)
        drop_act(step)
        self._walk(step, back=True)
        self.walked.emit(step, True)
        self.changed.emit()

    def redo(self) -> None:
        """Do again what was undone last."""
        step = self.history.pop_undone()
        if step is None:
            self.session.say("There is nothing to redo.")
            return
        self._walk(step, back=False)
        keep_act(step)
        self.walked.emit(step, False)
        self.changed.emit()

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
        try:
            layer, label, plane = pick(session, [self.labels.layer], world)
            check_writable(layer)
            with self.labels.writing(layer):
                paint, elsewhere = erase_object(layer, plane, label, whole)
        except Exception as error:  # a lazy array refuses to be written in its own way
            session.fail(error)
            return
        assert session.prompts is not None
        self.record(Step(plane, session.prompts, session.prompts, paints=(paint,)))
        session.dialogue.fit_again()
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
        layers = [layer for layer in reversed(self.labels.fitting()) if layer.visible]
        layers.sort(key=lambda layer: layer is not self.labels.layer)
        try:
            found = pick(self.session, layers, world)
        except TargetError as error:
            self.session.fail(error)
        else:
            open_object(self.session, self.labels, *found)

    def take_made(self, layer: Labels, replaced: Labels | None = None) -> None:
        """Make a run's result the target, as a step that can be undone.

        Parameters
        ----------
        layer : napari Labels layer
        replaced : napari Labels layer, optional
            An earlier result that it takes the place of.
        """
        session = self.session
        before = self.labels.layer
        self.labels.choose(layer)
        if replaced is not None and replaced in session.viewer.layers:
            session.viewer.layers.remove(replaced)
        hidden = self.results.take(layer)
        if session.plane is not None and session.prompts is not None:
            step = Step(session.plane, session.prompts, session.prompts, made=layer, target=before)
            step.replaced, step.hidden = replaced, hidden
            self.record(step)

    def take_action(self, action: Action) -> None:
        """Record what a run did to a label image, which is the target from now on."""
        session = self.session
        self.labels.choose(action.layer)
        if session.plane is not None and session.prompts is not None:
            prompts = session.prompts
            self.record(Step(session.plane, prompts, prompts, action=action))

    def close(self) -> None:
        """Let go of all label images; what still waits is not written."""
        self.painter.close()
        self.history.clear()
        self.tints.close()
        self.results.close()
        self.labels.close()

    def record(self, step: Step) -> None:
        """Add what was done to what can be undone."""
        if step.paints and step.naming is None:
            step.naming = inherit(step.paints)
            if step.naming is not None:
                apply_naming(step.naming)
        self.history.push(step)
        step.act = describe_edit(step)
        keep_act(step)
        self.recorded.emit()
        self.changed.emit()

    # Inside

    def _walk(self, step: Step, back: bool) -> None:
        self.walking = True
        try:
            walk(self.session, self.labels, step, back)
        finally:
            self.walking = False

    def _ask_overlap(self, step: Step) -> bool:
        """Ask what becomes of pixels that are labelled already; whether to go on."""
        overlapped = sorted({fit.overlaps for fit in self.session.fitted if fit.overlaps})
        if not overlapped:
            return True
        names = " and ".join(str(label) for label in overlapped)
        many = "s" * (len(overlapped) > 1)
        reply = self.ask_overlap(f"This overlaps object{many} {names}.")
        if reply is None:
            self.session.say("Nothing was written; the object is still open.")
            return False
        step.rules = replace(self.rules, overlap=reply)
        return True

    def _on_edited(self, before: Snapshot, after: Snapshot) -> None:
        """Record what the user did to the prompts; in turbo, commit it."""
        plane = self.session.plane
        assert plane is not None
        at_once = self.turbo and after.correction_on(plane) is None
        if not (at_once and self._commit_new(before, after)):
            self.record(Step(plane, before, after))

    def _commit_new(self, before: Snapshot, after: Snapshot) -> bool:
        """Commit the click or the box that an edit added; whether it added one."""
        session, plane = self.session, self.session.plane
        added = _added(before, after)
        if added is None or plane is None:
            return False
        session.replace_prompts(before)
        request = session.dialogue.make_request(plane, split_objects(added, plane))
        if not request.answerable:
            session.say("Turbo takes clicks on objects; Q ends it.", "error")
            return True
        try:
            step = self.painter.begin(request, before)
        except ValueError as error:
            session.fail(error)
            return True
        step.after, step.asked = before, added
        self.record(step)
        self.painter.ask(step)
        return True

    def _on_detached(self) -> None:
        """Forget what belonged to the old picture; what was accepted on it is still written."""
        self.history.clear()
        if self.rules.overlap == "overwrite":  # a choice for one picture, dangerous on the next
            self.rules = replace(self.rules, overlap="keep")
        self.changed.emit()


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
