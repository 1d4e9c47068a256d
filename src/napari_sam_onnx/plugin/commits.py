"""Accept, discard, undo, redo, delete: what turns prompts into labels and back.

Steps are recorded when the user acts, not when the model answers, so that undo walks back in
the user's order. An object that is accepted before its answer has come is painted when it
comes, and its prompts leave the canvas at once for the next object's.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.plugin.convert import plane_shape, round_half_up
from napari_sam_onnx.plugin.history import History, Snapshot, Step
from napari_sam_onnx.plugin.layers import prompts_on
from napari_sam_onnx.plugin.placing import without_plane
from napari_sam_onnx.plugin.target import (
    TargetError,
    can_be_target,
    check_target,
    erase_object,
    free_label,
    make_target,
    paint_mask,
    repeat,
    revert,
)
from napari_sam_onnx.plugin.work import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Labels

    from napari_sam_onnx.masks import Mask
    from napari_sam_onnx.plugin.engine import Request
    from napari_sam_onnx.plugin.history import Paint
    from napari_sam_onnx.plugin.session import Session

# Larger label images are searched for their highest number in a worker.
QUICK_PIXELS = 4_000_000


class Commits:
    """Turns the session's prompts and answers into labels.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.history = History()
        self.target: Labels | None = None
        self.overwrite = False
        self.turbo = False
        self._next_label: int | None = 1
        self._own = False
        self._waiting: list[Callable[[], None]] = []
        session.edited.connect(self._on_edited)
        session.removed.connect(self._on_removed)
        session.detached.connect(self._on_detached)

    # The label image

    @property
    def next_label(self) -> int | None:
        """The number of the next object; None while it is being found out."""
        return self._next_label

    @next_label.setter
    def next_label(self, label: int) -> None:
        self._next_label = int(label)
        self.session.changed.emit()

    def choose_target(self, layer: Labels | None) -> None:
        """Write the next objects into a label image; None: into a new one."""
        if layer is self.target:
            return
        self._drop_target()
        if layer is None:
            self._next_label = 1
            self.session.changed.emit()
            return
        try:
            if self.session.picture is not None:
                check_target(layer, self.session.picture)
        except TargetError as error:
            self.session.fail(error)
            return
        self.target = layer
        layer.events.data.connect(self._find_next_label)
        layer.events.paint.connect(self._on_painted)
        self._find_next_label()

    def targets(self) -> list[Labels]:
        """Return the label images in the viewer that fit the picture."""
        picture = self.session.picture
        if picture is None:
            return []
        return [layer for layer in self.session.viewer.layers if can_be_target(layer, picture)]

    # Actions

    def accept(self) -> None:
        """Commit the current object as the next label."""
        session = self.session
        request, prompts = session.request, session.prompts
        if request is None or prompts is None or not request.answerable:
            session.say("There is nothing to accept; click on an object first.", "error")
            return
        step = Step(request.plane, prompts, without_plane(prompts, request.plane))
        answer = session.answer
        if answer is not None and answer.request.key == request.key:
            mask = answer.mask
            self.history.push(step)
            self._when_numbered(partial(self._paint, step, mask, True))
            return
        self.history.push(step)
        self._ask(step, request)
        session.replace_prompts(step.after)

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

    def undo(self) -> None:
        """Take back the last prompt, commit, deletion or discard."""
        step = self.history.pop_done()
        if step is None:
            self.session.say("There is nothing left to undo.")
            return
        if step.pending:  # the answer has still to come and will not be painted
            step.cancelled = True
            self.history.drop(step)
        self._walk(step, step.before, revert)

    def redo(self) -> None:
        """Do again what was undone last."""
        step = self.history.pop_undone()
        if step is None:
            self.session.say("There is nothing to redo.")
            return
        self._walk(step, step.after, repeat)

    def toggle_turbo(self) -> None:
        """Commit each click at once, or stop doing so."""
        self.turbo = not self.turbo
        self.session.say(
            "Turbo: each click commits an object; Q ends it." if self.turbo else "Turbo is off."
        )

    def delete_at(self, world: Any) -> None:
        """Delete the object under a position in world coordinates, on this plane."""
        session, layer = self.session, self.target
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
        with self._writing():
            paint = erase_object(layer, session.plane, (y, x)) if inside else None
        if paint is None:
            session.say("There is no labelled object under the cursor.", "error")
            return
        self.history.push(Step(session.plane, session.prompts, session.prompts, paint))
        session.say(f"Deleted object {int(paint.before[0])}; Ctrl+Z brings it back.", "ready")

    # Inside

    def _on_edited(self, before: Snapshot, after: Snapshot) -> None:
        session = self.session
        if session.plane is None:
            session.say("Prompts need the 2D view of a plane of the picture.", "error")
            session.replace_prompts(before)
            return
        if self.turbo and self._commit_new(before, after):
            return
        self.history.push(Step(session.plane, before, after))
        session.refresh()

    def _commit_new(self, before: Snapshot, after: Snapshot) -> bool:
        """Commit the click or the box that an edit added; whether it added one."""
        session, plane = self.session, self.session.plane
        added = _added(before, after)
        if added is None or plane is None:
            return False
        session.replace_prompts(before)
        points, labels, box = prompts_on(added, plane)
        request = session.make_request(plane, points, labels, box, alone=True)
        if not request.answerable:
            session.say("Turbo takes clicks on objects; Q ends it.", "error")
            return True
        step = Step(plane, before, before)
        self.history.push(step)
        self._ask(step, request)
        return True

    def _ask(self, step: Step, request: Request) -> None:
        """Paint a step's object when the model has answered."""
        step.pending = True

        def paint(_: Request, mask: Mask | None) -> None:
            if mask is not None and not step.cancelled:
                self._when_numbered(partial(self._paint, step, mask, False))

        def fail(error: Exception) -> None:
            if not step.cancelled:
                self._give_back(step, error)

        self.session.ask(request, paint, fail, replaceable=False)

    def _paint(self, step: Step, mask: Mask, shown: bool) -> None:
        """Write an object; its prompts leave the canvas if they are still on it."""
        if step.cancelled:
            return
        session = self.session
        try:
            layer = self._ensure_target()
            assert self._next_label is not None
            label = self._next_label
            with self._writing():
                step.paint = paint_mask(layer, mask, step.plane, label, self.overwrite)
        except ValueError as error:
            self._give_back(step, error)
            return
        step.pending = False
        layer.selected_label = label
        self._next_label = label + 1
        if shown:
            session.replace_prompts(step.after)
        count = len(step.paint.before)
        session.say(f"Object {label}: {count} pixels in “{layer.name}”.", "ready")

    def _give_back(self, step: Step, error: Exception) -> None:
        """Forget a commit that failed; its prompts return where nothing replaced them."""
        step.pending = False
        self.history.drop(step)
        prompts = self.session.prompts
        if prompts is not None and prompts.equals(step.after) and not prompts.equals(step.before):
            self.session.replace_prompts(step.before)
        self.session.fail(error)

    def _walk(self, step: Step, prompts: Snapshot, apply: Callable[[Any], int]) -> None:
        """Apply a step in one direction: its labels, its prompts, its plane."""
        session = self.session
        note = ""
        if step.paint is not None:
            if step.paint.layer not in session.viewer.layers:
                note = "Its labels layer was removed."
            elif not self._apply(apply, step.paint):
                note = "Those labels were changed by hand since; they stay."
            else:
                self._count_label(step.paint, apply is repeat)
        session.go_to(step.plane)
        current = session.prompts
        if current is not None and not current.equals(prompts):
            session.replace_prompts(prompts)
        if note:
            session.say(note)
        elif step.paint is not None:
            back = apply is revert
            session.say("Took the labels back." if back else "Set the labels again.", "ready")

    def _apply(self, change: Callable[[Paint], int], paint: Paint) -> int:
        with self._writing():
            return change(paint)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell our own writing from the user's painting."""
        self._own = True
        try:
            yield
        finally:
            self._own = False

    def _count_label(self, paint: Paint, again: bool) -> None:
        """Give a number back with its object, so that numbers stay without gaps."""
        label = int(paint.after[0])
        if paint.layer is self.target and label and self._next_label is not None:
            if again:
                self._next_label = max(self._next_label, label + 1)
            elif self._next_label == label + 1:
                self._next_label = label

    def _ensure_target(self) -> Labels:
        """Return the label image to write to; a new one where there is none."""
        session = self.session
        assert session.picture is not None and session.layers is not None
        if self.target is not None:
            check_target(self.target, session.picture)
            return self.target
        active = session.viewer.layers.selection.active
        layer = make_target(session.picture, f"{session.picture.main.name} labels")
        session.viewer.layers.insert(
            session.viewer.layers.index(session.layers.preview.layer), layer
        )
        session.viewer.layers.selection.active = active
        label = self._next_label
        self.choose_target(layer)
        self._next_label = label or 1
        return layer

    def _when_numbered(self, do: Callable[[], None]) -> None:
        """Do something as soon as the next label is known."""
        if self._next_label is not None:
            do()
        else:
            self._waiting.append(do)

    def _find_next_label(self, *_: Any) -> None:
        """Find the next free number of the target."""
        layer = self.target
        if layer is None:
            return
        if layer.data.size <= QUICK_PIXELS:
            self._take_next_label(layer, free_label(layer))
            return
        self._next_label = None
        self.session.lane.submit(
            Job(
                partial(free_label, layer),
                partial(self._take_next_label, layer),
                self.session.fail,
                replaceable=False,
            )
        )

    def _take_next_label(self, layer: Labels, label: int) -> None:
        if layer is not self.target:
            return
        self._next_label = label
        waiting, self._waiting = self._waiting, []
        for do in waiting:
            do()
        self.session.changed.emit()

    def _on_painted(self, *_: Any) -> None:
        """Keep the next number above what the user paints by hand."""
        if self.target is not None and self._next_label is not None and not self._own:
            self._next_label = max(self._next_label, int(self.target.selected_label) + 1)
            self.session.changed.emit()

    def _on_removed(self, layer: Any) -> None:
        if layer is self.target:
            self._drop_target()
            self._next_label = 1
            self.session.say("The labels layer was removed; the next object starts a new one.")

    def _on_detached(self) -> None:
        """Forget what belonged to the old picture; its labels stay in the viewer."""
        for step in self.history.done:
            step.cancelled = step.pending
        self.history.clear()
        self._waiting.clear()
        self._drop_target()
        self._next_label = 1

    def _drop_target(self) -> None:
        layer, self.target = self.target, None
        if layer is not None:
            layer.events.data.disconnect(self._find_next_label)
            layer.events.paint.disconnect(self._on_painted)


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
