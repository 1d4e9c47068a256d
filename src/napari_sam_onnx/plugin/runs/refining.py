"""A whole plane of labels outlined anew where that is better: one run, one step to undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam_onnx.automatic.refine import Refinement, check_labels, iterate_refinement
from napari_sam_onnx.plugin.layers.labels import TargetError, read_plane, rewrite_plane
from napari_sam_onnx.plugin.layers.writable import check_writable
from napari_sam_onnx.plugin.runs.work import Work
from napari_sam_onnx.plugin.session.history import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy as np
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.layers.plane import Plane
    from napari_sam_onnx.plugin.session.commits import Commits
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
    result : Refinement or None
        Of the last run.
    changed : Signal
        `result` is another.
    """

    changed = Signal()

    def __init__(self, commits: Commits, stream: Callable[..., Stream] | None = None) -> None:
        self.commits, self.session = commits, commits.session
        self.work = Work(stream)
        self.result: Refinement | None = None
        self._asked: tuple[Labels, Plane, NDArray[np.integer[Any]]] | None = None

    def start(self) -> None:
        """Refine the labels that objects are written to, on the plane that is shown."""
        session, layer = self.session, self.commits.labels.layer
        if self.work.busy:
            return
        try:
            if session.picture is None or session.reader is None or session.plane is None:
                raise TargetError("Open a picture and show one of its planes in 2D first.")
            if layer is None:
                raise TargetError("Choose the labels to refine under “Labels” first.")
            check_writable(layer)
            labels = read_plane(layer, session.plane).copy()
            if not labels.any():
                raise TargetError("There is no labelled object on this plane.")
        except TargetError as error:
            session.fail(error)
            return
        self._asked = layer, session.plane, labels
        steps = self._iterate(labels)
        text = "Looking at the objects …"
        self.work.start(steps, "Refining labels", text, self._on_step, self._on_ended)

    def close(self) -> None:
        """Stop, and write nothing."""
        self.work.close()

    def _iterate(self, labels: NDArray[np.integer[Any]]) -> Generator[Any, None, None]:
        """Run in the worker."""
        session = self.session
        assert session.reader is not None and session.plane is not None
        rgb = session.reader.read(session.plane)
        check_labels(labels, (rgb.shape[0], rgb.shape[1]))
        engine = session.engine
        with engine.borrow(session.source) as model:
            steps = iterate_refinement(rgb, model, labels, cache=engine.cache)
            result = yield from steps
        yield result

    def _on_step(self, step: Any) -> None:
        if isinstance(step, Refinement):
            self._take(step)
            return
        done, total = step.done, step.total
        self.work.tell(f"{done} of {total} objects …", done / total if total else None)

    def _on_ended(self, error: Exception | None) -> None:
        if error is not None:
            self.session.fail(error)
        elif self.work.stopped:
            self.session.say("Refining was cancelled; the labels are as they were.")
        self._asked = None

    def _take(self, result: Refinement) -> None:
        """Write the new outlines, as one step."""
        session = self.session
        if self._asked is None or self.work.stopped or session.prompts is None:
            return
        layer, plane, labels = self._asked
        self.result = result
        self.changed.emit()
        if not result.taken:
            session.say(result.summarize())
            return
        try:
            if layer not in session.viewer.layers:
                raise TargetError(f"“{layer.name}” was removed; nothing was refined.")
            if not (read_plane(layer, plane) == labels).all():
                raise TargetError(
                    "The labels were changed while they were refined; nothing was written, run it "
                    "again."
                )
            with self.commits.labels.writing(layer):
                paint = rewrite_plane(layer, plane, result.paint(labels))
        except Exception as error:  # a lazy array refuses to be written in its own way
            session.fail(error)
            return
        what = f"{len(result.taken)} objects outlined anew"
        prompts = session.prompts
        self.commits.record(Step(plane, prompts, prompts, paints=(paint,), what=what))
        session.dialogue.fit_again()
        session.say(f"{result.summarize()} Ctrl+Z undoes it.", "ready")
