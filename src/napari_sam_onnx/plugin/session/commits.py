"""Accept, discard, undo, redo, delete: what turns prompts into labels and back.

Steps are recorded when the user acts, not when the model answers, so that undo walks back in
the user's order. An object that is accepted before its answer has come is painted when it
comes, and its prompts leave the canvas at once for the next object's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.plugin.layers.labels import erase_object, paint_mask, repeat, revert
from napari_sam_onnx.plugin.layers.objects import split_objects
from napari_sam_onnx.plugin.layers.placing import without_plane
from napari_sam_onnx.plugin.layers.plane import plane_shape, round_half_up
from napari_sam_onnx.plugin.layers.snapshot import Snapshot
from napari_sam_onnx.plugin.session.history import History, Step
from napari_sam_onnx.plugin.session.label_target import LabelTarget

if TYPE_CHECKING:
    from napari_sam_onnx.masks import Mask
    from napari_sam_onnx.plugin.layers.snapshot import Paint
    from napari_sam_onnx.plugin.session.engine import Request
    from napari_sam_onnx.plugin.session.session import Session


class Commits:
    """Turns the session's prompts and answers into labels.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    changed : Signal
        There is something else to undo or redo, or `turbo` is another.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        self.session = session
        self.history = History()
        self.labels = LabelTarget(session)
        self.overwrite = False
        self.turbo = False
        session.edited.connect(self._on_edited)
        session.detached.connect(self._on_detached)

    # Actions

    def accept(self) -> None:
        """Commit the open objects of the current plane as the next labels, as one step."""
        session = self.session
        request, prompts = session.request, session.prompts
        if request is None or prompts is None or not request.answerable:
            session.say("There is nothing to accept; click on an object first.", "error")
            return
        step = Step(request.plane, prompts, without_plane(prompts, request.plane))
        known = {answer.key: answer.mask for answer in session.answers}
        self.history.push(step)
        session.replace_prompts(step.after)
        if all(key in known for key in request.keys):
            self._paint_when_numbered(step, [known[key] for key in request.keys])
        else:
            self._ask(step, request)

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
        self.history.push(Step(session.plane, session.prompts, after))
        session.replace_prompts(after)
        self.changed.emit()

    def undo(self) -> None:
        """Take back the last prompt, commit, deletion or discard."""
        step = self.history.pop_done()
        if step is None:
            self.session.say("There is nothing left to undo.")
            return
        if step.pending:  # the answer has still to come and will not be painted
            step.cancelled = True
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

    def delete_at(self, world: Any) -> None:
        """Delete the object under a position in world coordinates, on this plane."""
        session, layer = self.session, self.labels.layer
        pixel = session.to_plane(world)
        if session.plane is None or session.prompts is None or pixel is None:
            session.say("There is no picture under the cursor.", "error")
            return
        if layer is None:
            session.say("There are no labels yet; accept an object first.", "error")
            return
        y, x = (round_half_up(value) for value in pixel)
        height, width = plane_shape(layer.data.shape, session.plane)
        inside = 0 <= y < height and 0 <= x < width
        with self.labels.writing():
            paint = erase_object(layer, session.plane, (y, x)) if inside else None
        if paint is None:
            session.say("There is no labelled object under the cursor.", "error")
            return
        self.history.push(Step(session.plane, session.prompts, session.prompts, (paint,)))
        session.say(f"Deleted object {int(paint.before[0])}; Ctrl+Z brings it back.", "ready")
        self.changed.emit()

    # Inside

    def _on_edited(self, before: Snapshot, after: Snapshot) -> None:
        """Record what the user did to the prompts; in turbo, commit it."""
        plane = self.session.plane
        assert plane is not None
        if not (self.turbo and self._commit_new(before, after)):
            self.history.push(Step(plane, before, after))
            self.changed.emit()

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
        step = Step(plane, before, before)
        self.history.push(step)
        self._ask(step, request)
        return True

    def _ask(self, step: Step, request: Request) -> None:
        """Paint a step's objects when the model has answered."""
        step.pending = True

        def paint(_: Request, masks: list[Mask]) -> None:
            if not step.cancelled:
                self._paint_when_numbered(step, masks)

        def fail(error: Exception) -> None:
            if not step.cancelled:
                self._give_back(step, error)

        self.session.ask(request, paint, fail, replaceable=False)
        self.changed.emit()

    def _paint_when_numbered(self, step: Step, masks: list[Mask]) -> None:
        step.pending = True
        self.labels.when_numbered(partial(self._paint, step, masks))

    def _paint(self, step: Step, masks: list[Mask]) -> None:
        """Write objects as the next labels: all of them, or none."""
        if step.cancelled:
            return
        session, first = self.session, self.labels.next_label
        assert first is not None
        paints: list[Paint] = []
        try:
            layer = self.labels.ensure()
            with self.labels.writing():
                for number, mask in enumerate(masks, first):
                    paints.append(paint_mask(layer, mask, step.plane, number, self.overwrite))
        except Exception as error:  # a lazy array refuses to be written in its own way
            with self.labels.writing():
                for paint in reversed(paints):
                    revert(paint)
            self._give_back(step, error)
            return
        step.pending, step.paints = False, tuple(paints)
        self.labels.count(step.paints)
        layer.selected_label = first + len(paints) - 1
        session.say(_describe_paints(paints, layer.name), "ready")
        self.changed.emit()

    def _give_back(self, step: Step, error: Exception) -> None:
        """Forget a commit that failed; its prompts return where nothing replaced them."""
        step.pending = False
        self.history.drop(step)
        prompts = self.session.prompts
        if prompts is not None and prompts.equals(step.after) and not prompts.equals(step.before):
            self.session.replace_prompts(step.before)
        self.session.fail(error)
        self.changed.emit()

    def _walk(self, step: Step, back: bool) -> None:
        """Apply a step in one direction: its labels, its prompts, its plane."""
        session, prompts = self.session, step.before if back else step.after
        note = ""
        present = [paint for paint in step.paints if paint.layer in session.viewer.layers]
        if len(present) < len(step.paints):
            note = "Its labels layer was removed."
        with self.labels.writing():
            apply = revert if back else repeat
            ordered = reversed(present) if back else present
            held = tuple(paint for paint in ordered if apply(paint))
        self.labels.count(held, again=not back)
        if len(held) < len(present):
            note = "Those labels were changed by hand since; they stay."
        session.go_to(step.plane)
        current = session.prompts
        if current is not None and not current.equals(prompts):
            session.replace_prompts(prompts)
        if note:
            session.say(note)
        elif step.paints:
            session.say(_describe_walk(step, back), "ready")
        self.changed.emit()

    def _on_detached(self) -> None:
        """Forget what belonged to the old picture; its labels stay in the viewer."""
        for step in self.history.done:
            step.cancelled = step.pending
        self.history.clear()
        self.overwrite = False  # a choice for one picture, dangerous on the next
        self.changed.emit()


def _describe_paints(paints: list[Paint], name: str) -> str:
    """Say what was written."""
    pixels = sum(len(paint.before) for paint in paints)
    first, last = (int(paints[i].after[0]) for i in (0, -1))
    if len(paints) == 1:
        return f"Object {first}: {pixels:,} pixels in “{name}”."
    return f"Objects {first} to {last}: {pixels:,} pixels in “{name}”."


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


def _describe_walk(step: Step, back: bool) -> str:
    """Say what undo or redo did to the labels."""
    paint = step.paints[0]
    number = int(paint.after[0]) or int(paint.before[0])
    appears = bool(paint.after[0]) is not back
    several = len(step.paints) > 1
    what = f"{len(step.paints)} objects are" if several else f"object {number} is"
    other = "Ctrl+Shift+Z does it again" if back else "Ctrl+Z undoes it"
    return (
        f"{'Undone' if back else 'Done again'}: {what} {'there' if appears else 'gone'}; {other}."
    )
