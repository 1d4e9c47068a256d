"""Corrections of whole objects over all planes of a stack, each one step to undo.

What changes is found in a worker of its own, so that neither the interface nor clicks wait; it is
written where the voxels still are what they were. A Tracks layer follows its labels.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.plugin.commits.history import Step
from napari_sam_onnx.plugin.commits.picking import pick
from napari_sam_onnx.plugin.layers.labels import TargetError
from napari_sam_onnx.plugin.layers.snapshot import Lineage, Paint
from napari_sam_onnx.plugin.layers.tracks import find_tracks_layer, show_tracks
from napari_sam_onnx.plugin.layers.writable import check_writable
from napari_sam_onnx.plugin.picture.geometry import MARK
from napari_sam_onnx.plugin.review.frames import FrameReader, find_places
from napari_sam_onnx.plugin.session.lanes import Job, ThreadLane
from napari_sam_onnx.plugin.session.stack_axes import DEPTH, TIME
from napari_sam_onnx.stacks.correct import (
    cut_object,
    delete_object,
    drop_parents,
    join_objects,
    join_parents,
    mark_division,
    pass_on,
    split_object,
)
from napari_sam_onnx.stacks.tracks import Tracks, measure_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.layers import Labels

    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.review.places import Place, ReviewQueue
    from napari_sam_onnx.plugin.session.lanes import Lane
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.session.stack_axes import StackAxes
    from napari_sam_onnx.stacks.correct import Change

    Parents = dict[int, int]
    Made = tuple[Change | None, Parents]

SOURCE = "stack"
"""Whose places these are in the queue."""


class StackEdits:
    """Joins, splits, cuts off, deletes and divides whole objects; lists doubtful ones.

    Every action takes the object that is named, or the one that is selected in the label image.

    Parameters
    ----------
    session : Session
    commits : Commits
        Where objects are, and what can be undone.
    axes : StackAxes
    queue : ReviewQueue
    lane : Lane, optional
        Where voxels are looked for; worker threads where omitted.

    Attributes
    ----------
    changed : Signal
        Another object is waited for, or none.
    begun : Signal
        One is waited for.
    """

    changed = Signal()
    begun = Signal()

    def __init__(
        self,
        session: Session,
        commits: Commits,
        axes: StackAxes,
        queue: ReviewQueue,
        lane: Lane | None = None,
    ) -> None:
        self.session, self.commits, self.axes, self.queue = session, commits, axes, queue
        self.lane = ThreadLane() if lane is None else lane
        self._begun: tuple[str, Labels, tuple[int, ...]] | None = None
        self._stale: list[Labels] = []
        commits.walked.connect(self._on_walked)
        commits.recorded.connect(self.leave)
        session.removed.connect(lambda _: self.leave())
        session.detached.connect(lambda: self.leave())

    @property
    def waiting(self) -> str:
        """What waits for another object: "join", "divide" or ""."""
        return "" if self._begun is None else self._begun[0]

    def leave(self) -> bool:
        """Wait for no other object any more; whether one was waited for."""
        begun, self._begun = self._begun, None
        if begun is not None:
            self.changed.emit()
        return begun is not None

    def close(self) -> None:
        """Do nothing more."""
        self.lane.close()

    def pick(self, world: Any) -> int | None:
        """Select the object under a position in world coordinates, and return it."""
        try:
            layer, label, _ = pick(self.session, [self.commits.labels.layer], world)
        except TargetError as error:
            self.session.fail(error)
            return None
        layer.selected_label = label
        return label

    # Actions

    def join(self, label: int | None = None) -> None:
        """Begin to join an object with another, or join it with the one that waits."""
        found = self._find(label)
        if found is None:
            return
        layer, label = found
        begun = self._go_on("join", layer, label)
        if begun is None:
            self.session.say(
                f"Join {label} with which other? Put the cursor on it, on any plane, and press "
                "Shift+M; Esc leaves it."
            )
            return
        kept = begun[0]
        self._do(
            f"Object {label} is part of {kept} now",
            label,
            lambda data, parents, _: (
                join_objects(data, kept, label),
                join_parents(parents, kept, label),
            ),
        )

    def split(self, label: int | None = None) -> None:
        """Give an object a new number from the plane that is shown on."""
        found, plane = self._find(label), self._position()
        if found is None or plane is None:
            return
        label, (axis, here) = found[1], plane

        def make(data: Any, parents: Parents, new: int) -> Made:
            return split_object(data, label, here, new, axis), pass_on(parents, label, new)

        self._do(f"Object {label} is {{new}} from {self._unit} {here} on", label, make)

    def cut(self, *, after: bool, label: int | None = None) -> None:
        """Remove an object from all planes after the one that is shown, or before it."""
        found, plane = self._find(label), self._position()
        if found is None or plane is None:
            return
        label, (axis, here) = found[1], plane

        def make(data: Any, parents: Parents, _: int) -> Made:
            change = cut_object(data, label, here, after=after, axis=axis)
            if not len(change):
                side = "after" if after else "before"
                raise TargetError(f"There is nothing of object {label} {side} {here}.")
            return change, parents if after else {c: p for c, p in parents.items() if c != label}

        way = "ends with" if after else "begins with"
        self._do(f"Object {label} {way} {self._unit} {here}", label, make)

    def delete(self, label: int | None = None) -> None:
        """Remove an object from all planes."""
        found = self._find(label)
        if found is not None:
            label = found[1]
            self._do(
                f"Deleted object {label} on all planes",
                label,
                lambda data, parents, _: (delete_object(data, label), drop_parents(parents, label)),
            )

    def divide(self, label: int | None = None) -> None:
        """Name the mother and then the two daughters of a division."""
        found = self._find(label)
        if found is None:
            return
        if self.axes.axis_of(TIME) is None:
            self.session.say("Objects divide in time; no axis of the picture is time.", "error")
            return
        layer, label = found
        begun = self._go_on("divide", layer, label, count=3)
        if begun is None:
            named = len(self._begun[2]) if self._begun is not None else 0
            which = "first daughter" if named == 1 else "second daughter"
            self.session.say(
                f"Which is the {which} of {self._begun[2][0] if self._begun else label}? Put the "
                "cursor on it, in a later frame, and press Shift+D; Esc leaves it."
            )
            return
        mother, first, axis = begun[0], begun[1], self.axes.axis_of(TIME)
        assert axis is not None

        def make(data: Any, parents: Parents, new: int) -> Made:
            return mark_division(data, mother, (first, label), new, parents, axis)

        self._do(f"Track {mother} divides", mother, make)

    def keep(self, label: int | None = None) -> None:
        """Leave an object as it is: its places go from the list."""
        found = self._find(label)
        if found is not None:
            self.queue.settle(found[1], found[0])
            self.session.say(f"Object {found[1]} stays as it is.")

    def find_doubtful(self) -> None:
        """List gaps, sudden changes, touching objects, and what begins or ends in the middle."""
        layer, session = self.commits.labels.layer, self.session
        reader = self._reader(layer)
        if layer is None or reader is None:
            session.say("Make labels of a stack first.", "error")
            return
        session.say("Looking for doubtful places …", "busy")
        parents = self._parents(layer)

        def show(places: list[Place]) -> None:
            if layer in session.viewer.layers:
                self.queue.fill(SOURCE, places)
                count = len(places)
                text = f"{count} doubtful place{'s' * (count != 1)}; J goes to the first."
                session.say(text if count else "There is no doubtful place.", "ready")

        run = partial(find_places, reader, layer, parents)
        self.lane.submit(Job(run, show, session.fail, replaceable=False))

    # Inside

    @property
    def _unit(self) -> str:
        return "plane" if self.axes.axis_of(TIME) is None else "frame"

    def _find(self, label: int | None) -> tuple[Labels, int] | None:
        """Return the label image and the object that is meant, or say why there is none."""
        layer = self.commits.labels.layer
        if layer is None:
            self.session.say("There are no labels yet; accept an object first.")
            return None
        chosen = int(layer.selected_label) if label is None else label
        return layer, chosen

    def _position(self) -> tuple[int, int] | None:
        """Return the axis of frames or planes and which of them is shown, or say why not."""
        axis = self.axes.axis_of(TIME)
        axis = self.axes.axis_of(DEPTH) if axis is None else axis
        plane = self.session.plane
        if axis is None or plane is None or axis in plane.axes:
            self.session.say("Show one plane of a stack in 2D first.", "error")
            return None
        return axis, plane.position[axis]

    def _go_on(
        self, kind: str, layer: Labels, label: int, count: int = 2
    ) -> tuple[int, ...] | None:
        """Add an object to those that wait; return them once it is the last one."""
        begun = self._begun
        if begun is None or begun[0] != kind or begun[1] is not layer:
            self._begun = kind, layer, (label,)
        elif len(begun[2]) + 1 < count:
            self._begun = kind, layer, (*begun[2], label)
        else:
            self._begun = None
            self.changed.emit()
            return begun[2]
        self.begun.emit()
        self.changed.emit()
        return None

    def _do(self, said: str, label: int, make: Callable[[Any, Parents, int], Made]) -> None:
        """Find what changes in a worker, and write it as one step; ``{new}`` is its number."""
        layer, session = self.commits.labels.layer, self.session
        assert layer is not None
        try:
            check_writable(layer)
        except TargetError as error:
            session.fail(error)
            return
        parents, data = self._parents(layer), layer.data
        numbers = self.commits.labels.numbers_of(layer)

        def find() -> None:
            new = numbers.next
            assert new is not None
            run = partial(make, data, parents, new)
            done = partial(self._write, layer, label, said, parents)
            self.lane.submit(Job(run, done, session.fail, replaceable=False))

        numbers.when_known(find, session.fail)

    def _write(self, layer: Labels, label: int, said: str, parents: Parents, made: Made) -> None:
        """Write a change where its voxels still are of the object."""
        session, (change, after) = self.session, made
        if layer not in session.viewer.layers or session.plane is None or session.prompts is None:
            return
        paints: tuple[Paint, ...] = ()
        if change is not None:
            with self.commits.labels.writing(layer) as numbers:
                before = np.asarray(layer.data[change.places])
                held = before == label
                places = tuple(along[held] for along in change.places)
                new = np.full(int(held.sum()), change.label, before.dtype)
                layer.data_setitem(places, new)
                paints = (Paint(layer, places, before[held], new),)
                numbers.take(paints)
        lineage = Lineage(layer, parents, after)
        step = Step(session.plane, session.prompts, session.prompts, paints, lineage=lineage)
        self.commits.record(step)
        self._set_parents(layer, after)
        self.queue.settle(label, layer)
        session.dialogue.fit_again()
        said = said.format(new=None if change is None else change.label)
        session.say(f"{said}; Ctrl+Z takes it back.", "ready")

    def _on_walked(self, step: Step, back: bool) -> None:
        if step.lineage is not None and step.lineage.layer in self.session.viewer.layers:
            lineage = step.lineage
            self._set_parents(lineage.layer, lineage.before if back else lineage.after)

    @staticmethod
    def _parents(layer: Labels) -> Parents:
        mark = layer.metadata.get(MARK)
        return dict(mark.get("parents", {})) if isinstance(mark, dict) else {}

    def _set_parents(self, layer: Labels, parents: Mapping[int, int]) -> None:
        """Keep the divisions with the labels; their Tracks layer is made anew in a worker."""
        layer.metadata.setdefault(MARK, {})["parents"] = dict(parents)
        reader = self._reader(layer)
        shown = find_tracks_layer(self.session.viewer.layers, layer) is not None
        if not shown or reader is None or any(layer is stale for stale in self._stale):
            return
        self._stale.append(layer)

        def measure() -> Tracks:
            self._stale.remove(layer)  # what is changed from now on asks again
            objects = measure_objects(reader.read, reader.count)
            return Tracks(objects, objects.labels.copy(), self._parents(layer))

        def show(tracks: Tracks) -> None:
            if layer in self.session.viewer.layers:
                layers = self.session.layers
                show_tracks(self.session.viewer, layers, layer, tracks, self.axes.letters())

        self.lane.submit(Job(measure, show, self.session.fail, replaceable=False))

    def _reader(self, layer: Labels | None) -> FrameReader | None:
        """Return how the frames or planes of a label image are read, where it is a stack."""
        plane = self.session.plane
        if layer is None or not self.axes.long:
            return None
        position = plane.position if plane is not None else (0,) * layer.ndim
        return FrameReader.of(layer.data, self.axes.roles, position)
