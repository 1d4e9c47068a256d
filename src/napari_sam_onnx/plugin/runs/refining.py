"""Labels of a plane or a stack outlined anew where that is better: one run, one step to undo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.automatic.refine import Refinement
from napari_sam_onnx.automatic.refine_planes import StackRefinement, iterate_planes
from napari_sam_onnx.plugin.commits.history import Step
from napari_sam_onnx.plugin.layers.labels import TargetError, read_plane, rewrite_plane
from napari_sam_onnx.plugin.layers.writable import check_writable
from napari_sam_onnx.plugin.runs.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.layers.snapshot import Paint
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.picture.reader import Reader
    from napari_sam_onnx.plugin.session.lanes import Stream


class Refiner:
    """Refines the labels of a plane.

    Parameters
    ----------
    commits : Commits
        Whose target is refined, and whose history takes the step.
    stream : callable, optional
        Runs a generator away from the interface; worker threads where omitted.

    Attributes
    ----------
    work : Work
    result : Refinement or StackRefinement or None
        Of the last run.
    changed : Signal
        `result` is another.
    """

    changed = Signal()

    def __init__(self, commits: Commits, stream: Callable[..., Stream] | None = None) -> None:
        self.commits, self.session = commits, commits.session
        self.work = Work(stream)
        self.result: Refinement | StackRefinement | None = None
        self._asked: _Asked | None = None

    def start(self, whole: bool = False) -> None:
        """Refine the labels that objects are written to, on the plane that is shown or on all."""
        session, layer = self.session, self.commits.labels.layer
        if self.work.busy:
            return
        try:
            if session.picture is None or session.reader is None or session.plane is None:
                raise TargetError("Open a picture and show one of its planes in 2D first.")
            if layer is None:
                raise TargetError("Choose the labels to refine under “Labels” first.")
            check_writable(layer)
            planes = _list_planes(session.reader, session.plane) if whole else [session.plane]
            if not whole and not read_plane(layer, session.plane).any():
                raise TargetError("There is no labelled object on this plane.")
        except TargetError as error:
            session.fail(error)
            return
        reader = session.reader
        shown = {reader.index_of(plane): plane for plane in planes}
        self._asked = _Asked(layer, session.plane, shown, {})
        if not whole:
            labels = read_plane(layer, session.plane).copy()
            self._asked.labels[reader.index_of(session.plane)] = labels
        steps = self._iterate(self._asked, reader, whole)
        text = "Looking at the objects …"
        self.work.start(steps, "Refining labels", text, self._on_step, self._on_ended)

    def close(self) -> None:
        """Stop, and write nothing."""
        self.work.close()

    def _iterate(self, asked: _Asked, reader: Reader, whole: bool) -> Generator[Any, None, None]:
        """Run in the worker."""

        def read_labels(index: tuple[int, ...]) -> NDArray[np.integer[Any]]:
            if index not in asked.labels:
                asked.labels[index] = read_plane(asked.layer, asked.planes[index]).copy()
            return asked.labels[index]

        def read(index: tuple[int, ...]) -> NDArray[np.uint8]:
            return reader.read(asked.planes[index])

        engine, indices = self.session.engine, list(asked.planes)
        # Of a whole stack no plane is looked at twice: what is kept for clicks stays.
        cache = None if whole else engine.cache
        with engine.borrow(self.session.source) as model:
            result = yield from iterate_planes(read, read_labels, indices, model, cache=cache)
        for index, refinement in result.planes:
            if not refinement.taken:
                del asked.labels[index]
        yield result if whole else result.planes[0][1]

    def _on_step(self, step: Any) -> None:
        if isinstance(step, Refinement | StackRefinement):
            self._take(step)
            return
        done, total = step.done, step.total
        self.work.tell(f"{done} of {total} {step.unit} …", done / total if total else None)

    def _on_ended(self, error: Exception | None) -> None:
        if error is not None:
            self.session.fail(error)
        elif self.work.stopped:
            self.session.say("Refining was cancelled; the labels are as they were.")
        self._asked = None

    def _take(self, result: Refinement | StackRefinement) -> None:
        """Write the new outlines, as one step."""
        session, asked = self.session, self._asked
        if asked is None or self.work.stopped or session.prompts is None:
            return
        self.result = result
        self.changed.emit()
        if not result.taken:
            session.say(result.summarize())
            return
        paints: list[Paint] = []
        try:
            paints += self._write(asked, result)
        except Exception as error:  # a lazy array refuses to be written in its own way
            session.fail(error)
            return
        what = f"{len(result.taken)} objects outlined anew"
        prompts = session.prompts
        self.commits.record(Step(asked.plane, prompts, prompts, paints=tuple(paints), what=what))
        session.dialogue.fit_again()
        session.say(f"{result.summarize()} Ctrl+Z undoes it.", "ready")

    def _write(self, asked: _Asked, result: Refinement | StackRefinement) -> list[Paint]:
        """Write what was found, all or nothing."""
        session, layer = self.session, asked.layer
        if layer not in session.viewer.layers:
            raise TargetError(f"“{layer.name}” was removed; nothing was refined.")
        found = result.planes if isinstance(result, StackRefinement) else ((None, result),)
        changed = []
        for index, refinement in found:
            if not refinement.taken:
                continue
            at = next(iter(asked.planes)) if index is None else index
            plane, labels = asked.planes[at], asked.labels[at]
            if not (read_plane(layer, plane) == labels).all():
                raise TargetError(
                    "The labels were changed while they were refined; nothing was written, run it "
                    "again."
                )
            changed.append((plane, refinement.paint(labels)))
        with self.commits.labels.writing(layer):
            return [rewrite_plane(layer, plane, written) for plane, written in changed]


@dataclass(slots=True)
class _Asked:
    """What a run was asked to refine.

    Parameters
    ----------
    layer : napari Labels layer
    plane : Plane
        That was shown.
    planes : dict of index to Plane
        All that are looked at.
    labels : dict of index to array
        As they were, of those that change.
    """

    layer: Labels
    plane: Plane
    planes: dict[tuple[int, ...], Plane]
    labels: dict[tuple[int, ...], NDArray[np.integer[Any]]]


def _list_planes(reader: Reader, plane: Plane) -> list[Plane]:
    """List all planes of a picture that lie as one of them does."""
    sizes = [reader.shape[axis] for axis in reader.outer_axes(plane.axes)]
    return [reader.plane_at(plane.axes, index) for index in np.ndindex(*sizes)]
