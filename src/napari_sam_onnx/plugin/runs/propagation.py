"""One object from the planes where it is known through the others of a stack, as one step to undo.

It is known where prompts for it are open, on one plane or several, or, where none are, on the
planes on which the object under the cursor is labelled. A model that remembers objects finds it
by its memory, any other by its mask on the plane before. Planes appear as they are done and stay
where the run is cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.errors import explain
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.models.model import MemorisingModel
from napari_sam_onnx.plugin.commits.history import Step
from napari_sam_onnx.plugin.commits.picking import pick
from napari_sam_onnx.plugin.layers.labels import TargetError, paint_mask, revert
from napari_sam_onnx.plugin.layers.objects import split_objects
from napari_sam_onnx.plugin.layers.snapshot import Paint, is_empty, on_plane, without_plane
from napari_sam_onnx.plugin.layers.writable import check_writable
from napari_sam_onnx.plugin.picture.plane import Plane, take_plane
from napari_sam_onnx.plugin.session.stack_axes import DEPTH, TIME
from napari_sam_onnx.prompts import PromptError
from napari_sam_onnx.stacks.carry import Carried, iterate_carry
from napari_sam_onnx.stacks.carry_parameters import CarryParameters
from napari_sam_onnx.stacks.remember import iterate_remembered

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.layers import Labels

    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.commits.label_target import Home
    from napari_sam_onnx.plugin.layers.snapshot import Snapshot
    from napari_sam_onnx.plugin.picture.reader import Reader
    from napari_sam_onnx.plugin.runs.work import Work
    from napari_sam_onnx.plugin.session.engine import Engine
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.session.stack_axes import StackAxes
    from napari_sam_onnx.prompts import Prompts


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """An object and where it is known.

    Parameters
    ----------
    home : Home
        Where it is written.
    label : int
        Its number.
    asked : mapping of int to Prompts
        By plane, prompts that are open.
    labels : napari Labels layer or None
        Where it is labelled already, if no prompts are open.
    axis : int
        Along which it is carried.
    time : bool
        Whether that is time.
    plane : Plane
        Where the run began.
    before, after : Snapshot
        The open prompts, with and without those that were used.
    """

    home: Home
    label: int
    asked: dict[int, Prompts]
    labels: Labels | None
    axis: int
    time: bool
    plane: Plane
    before: Snapshot
    after: Snapshot

    def plane_at(self, position: int) -> Plane:
        """Return the plane at a position along the axis."""
        return move_plane(self.plane, self.axis, position)


class Propagation:
    """Starts and shows the propagation of one object.

    Parameters
    ----------
    session : Session
    commits : Commits
    axes : StackAxes
    work : Work
        Which may run something else now, and is then busy.

    Attributes
    ----------
    span : (first, last)
        Planes beyond which no object is carried; a last of None: to the end of the stack.
    """

    def __init__(self, session: Session, commits: Commits, axes: StackAxes, work: Work) -> None:
        self.session, self.commits, self.axes, self.work = session, commits, axes, work
        self.span: tuple[int, int | None] = (0, None)
        self._task: Task | None = None
        self._layer: Labels | None = None
        self._paints: list[Paint] = []
        self._ends: dict[int, str] = {}

    def start(self, world: Any) -> None:
        """Carry the open object, or the labelled one under a position, both ways.

        Parameters
        ----------
        world : (D,) array-like or None
            In world coordinates; None: the object that is selected in the label image.
        """
        session = self.session
        try:
            if self.work.busy:
                raise PromptError("Something is running; cancel it first.")
            task = self._find(world)
        except ValueError as error:
            session.fail(error)
            return
        begin = partial(self._begin, task)
        self.commits.labels.when_numbered(task.home, begin, session.fail)

    def _find(self, world: Any) -> Task:
        """Say what is carried, and from where.

        Raises
        ------
        PromptError, TargetError
            If there is nothing, or no stack.
        """
        session, plane, prompts = self.session, self.session.plane, self.session.prompts
        axis = self.axes.axis_of(TIME)
        time = axis is not None
        axis = axis if time else self.axes.axis_of(DEPTH)
        if plane is None or prompts is None or axis is None or axis in plane.axes:
            raise PromptError("Show one plane of a stack in 2D to carry an object through it.")
        picture = session.picture
        assert picture is not None
        home = self.commits.labels.home()
        asked, after = {}, prompts
        for position in range(picture.shape[axis]):
            there = move_plane(plane, axis, position)
            if is_empty(on_plane(prompts, there)):
                continue
            objects = split_objects(prompts, there, session.each_click)
            if len(objects) > 1:
                raise PromptError(
                    f"There are {len(objects)} open objects on plane {position}; one is carried."
                )
            if objects:
                asked[position] = objects[0]
                after = without_plane(after, there)
        correction = prompts.correction_on(plane)
        low, high = self._span(picture.shape[axis])
        beyond = [position for position in asked if not low <= position <= high]
        if beyond:
            raise PromptError(
                f"The object is pointed at on plane {beyond[0]}, beyond the stop planes {low} and "
                f"{high}."
            )
        if asked:
            label = 0 if correction is None else correction.label
            return Task(home, label, asked, None, axis, time, plane, prompts, after)
        layer = self.commits.labels.layer
        if world is None and layer is not None:
            label = int(layer.selected_label)
        else:
            layer, label, _ = pick(session, [layer], world)
        check_writable(layer)
        return Task(home, label, {}, layer, axis, time, plane, prompts, prompts)

    def _span(self, count: int) -> tuple[int, int]:
        """Return the first and the last plane of so many that an object is carried to."""
        first, last = self.span
        last = count - 1 if last is None else min(last, count - 1)
        return min(first, last), max(first, last)

    def _begin(self, task: Task) -> None:
        session, reader = self.session, self.session.reader
        if reader is None or self.work.busy:
            return
        try:
            layer = self.commits.labels.open(task.home)
            check_writable(layer)
            with self.commits.labels.writing(layer) as numbers:
                label = task.label or numbers.find_free(task.plane)
        except ValueError as error:
            session.fail(error)
            return
        self._task = replace(task, label=label)
        self._layer, self._paints, self._ends = layer, [], {}
        session.say(f"Object {label} is carried through the stack …", "busy")
        steps = self._iterate(session.engine, session.source, reader, self._task, layer.data)
        self.work.renew()
        title = f"Object {label} through the stack"
        self.work.start(steps, title, "Carrying it …", self._on_step, self._on_finished)

    def _iterate(
        self, engine: Engine, source: Any, reader: Reader, task: Task, data: Any
    ) -> Generator[Carried, None, None]:
        """Run in the worker; nothing is written here."""
        count = reader.shape[task.axis]
        span = self._span(count)
        known: dict[int, Mask] = {}
        for position in range(span[0], span[1] + 1) if task.labels is not None else ():
            there = np.asarray(take_plane(data, task.plane_at(position))) == task.label
            if there.any():
                known[position] = Mask.from_array(there)

        def read(position: int) -> Any:
            return reader.read(task.plane_at(position))

        with engine.use(source) as model:
            if isinstance(model, MemorisingModel):
                told = task.asked or known
                yield from iterate_remembered(
                    read, count, model, told, span=span, cache=engine.cache
                )
                return
            for position, prompts in task.asked.items():
                request = self.session.dialogue.make_request(task.plane_at(position), (prompts,))
                known[position] = engine.answer(request)[0]
                yield Carried(position, known[position])
            # in time cells may shrink and grow
            settings = CarryParameters(neck=0.0) if task.time else CarryParameters()
            yield from iterate_carry(
                read, count, model, known, settings, span=span, cache=engine.cache
            )

    def _on_step(self, step: Carried) -> None:
        """Paint a plane that is done."""
        task, layer = self._task, self._layer
        if task is None or layer is None or layer not in self.session.viewer.layers:
            self.work.cancel()
            return
        if step.mask is None:
            self._ends[step.plane] = step.reason
            self._take_back(layer, task, step.plane)
            return
        try:
            with self.commits.labels.writing(layer) as numbers:
                plane = task.plane_at(step.plane)
                paint = paint_mask(layer, step.mask, plane, task.label, overwrite=False)
                self._paints.append(paint)
                numbers.take([paint])
        except TargetError:  # other objects have all of it
            self._ends[step.plane] = "other objects lie there"
        count = len(self._paints)
        self.work.tell(f"Plane {step.plane}: {count} plane{'s' * (count != 1)} so far")

    def _take_back(self, layer: Labels, task: Task, position: int) -> None:
        """Unpaint a plane that turned out to be of another object."""
        gone = [p for p in self._paints if int(p.indices[task.axis][0]) == position]
        with self.commits.labels.writing(layer):
            for paint in gone:
                revert(paint)
        self._paints = [p for p in self._paints if not any(p is g for g in gone)]

    def _on_finished(self, error: Exception | None) -> None:
        task, layer, paints = self._task, self._layer, self._paints
        self._task = self._layer = None
        self._paints = []
        session = self.session
        if task is None or layer is None:
            return
        if paints and layer in session.viewer.layers:
            step = Step(task.plane, task.before, task.after, (_merge(paints),))
            self.commits.record(step)
            layer.selected_label = task.label
            if session.prompts is not None and session.prompts.equals(task.before):
                session.replace_prompts(task.after)
        session.dialogue.fit_again()
        if error is not None:
            session.say(explain(error), "error")
            return
        session.say(self._describe(task, paints), "ready")

    def _describe(self, task: Task, paints: list[Paint]) -> str:
        if not paints:
            why = "; ".join(f"{reason} (plane {p})" for p, reason in sorted(self._ends.items()))
            return f"Object {task.label} was not carried further" + (f": {why}." if why else ".")
        planes = sorted(int(paint.indices[task.axis][0]) for paint in paints)
        span = f"planes {planes[0]} to {planes[-1]}" if len(planes) > 1 else f"plane {planes[0]}"
        text = f"Object {task.label}: {span}"
        text += ", cancelled" if self.work.stopped else ""
        ends = "; ".join(f"{reason} (plane {p})" for p, reason in sorted(self._ends.items()))
        text += "; Ctrl+Z takes all back."
        return f"{text} {ends[0].upper()}{ends[1:]}." if ends else text


def move_plane(plane: Plane, axis: int, position: int) -> Plane:
    """Return the plane at another position along an axis."""
    at = tuple(position if a == axis else p for a, p in enumerate(plane.position))
    return Plane(plane.axes, at)


def _merge(paints: list[Paint]) -> Paint:
    """Make the pixels of all planes one change."""
    return Paint(
        paints[0].layer,
        tuple(np.concatenate(along) for along in zip(*(p.indices for p in paints), strict=True)),
        np.concatenate([paint.before for paint in paints]),
        np.concatenate([paint.after for paint in paints]),
    )
