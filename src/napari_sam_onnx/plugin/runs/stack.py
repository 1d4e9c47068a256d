"""Volumes and tracks from the dock: a whole stack into a new label image, and its tracks.

Planes appear as they are finished and stay when the run is cancelled. Tracks come with a Tracks
layer whose graph holds the divisions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.errors import explain
from napari_sam_onnx.generators import relay
from napari_sam_onnx.labels.label_store import remove_labels
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.plugin.commits.results import describe_hidden, visible_labels
from napari_sam_onnx.plugin.layers.labels import make_target, place_of
from napari_sam_onnx.plugin.layers.prompts import insert_under_prompts
from napari_sam_onnx.plugin.layers.tracks import show_tracks
from napari_sam_onnx.plugin.picture.geometry import MARK
from napari_sam_onnx.plugin.runs.pace import Pace, format_seconds
from napari_sam_onnx.records.acts import Act
from napari_sam_onnx.records.recipes import Recipe
from napari_sam_onnx.stacks import iterate_stitched, iterate_tracks, iterate_whole
from napari_sam_onnx.stacks.whole import DRAWING, check_whole

if TYPE_CHECKING:
    from collections.abc import Generator
    from threading import Event

    from napari.layers import Labels

    from napari_sam_onnx.planes import PlaneSink, PlaneSource
    from napari_sam_onnx.plugin.runs.work import Work
    from napari_sam_onnx.plugin.session.engine import Engine
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.session.stack_axes import StackAxes
    from napari_sam_onnx.stacks import WholeRequest, WholeResult, WholeStep

SOON = 0.5
"""Seconds between two looks at a stack that is being filled."""


@dataclass(frozen=True, slots=True, eq=False)
class StackRun:
    """What a run is asked to do.

    Parameters
    ----------
    request : WholeRequest
    labels : napari Labels layer or None
        Whose objects are put together; None: objects are found by the model.
    source : hashable or None
        The model that finds them; None: the one that answers clicks.
    """

    request: WholeRequest
    labels: Labels | None = None
    source: Any = None


class StackRuns:
    """Starts and shows volumes and tracks.

    Parameters
    ----------
    session : Session
    axes : StackAxes
        What the picture's axes are.
    work : Work
        Which may run something else now, and is then busy.

    Attributes
    ----------
    made : Signal
        A label image is finished, or what there is of it.
    """

    made = Signal(object)

    def __init__(self, session: Session, axes: StackAxes, work: Work) -> None:
        self.session, self.axes, self.work = session, axes, work
        self.layer: Labels | None = None
        self._request: WholeRequest | None = None
        self._result: WholeResult | None = None
        self._letters = ""
        self._recipe: Recipe | None = None
        self._fingerprint = ""
        self._pace: Pace | None = None
        self._started = self._refreshed = 0.0
        self._planes = 0
        self._draft = False
        self._removed = ""
        session.removed.connect(self._on_removed)

    def start(self, run: StackRun) -> None:
        """Begin a run into a new Labels layer."""
        session, picture, reader = self.session, self.session.picture, self.session.reader
        if self.work.busy:
            session.say("Automatic masks are running; cancel them first.", "error")
            return
        if picture is None or reader is None:
            session.say("Open a stack first.", "error")
            return
        letters = self.axes.letters()
        named = letters + "C" * reader.rgb
        try:
            source = ArrayPlanes(
                reader.arrays, named, reader.channels, self.axes.spacing(), reader.view
            )
            check_whole(source, run.request)
            layer = make_target(picture, f"{picture.main.name} {run.request.method}")
        except ValueError as error:
            session.fail(error)
            return
        self.layer, self._request, self._letters = layer, run.request, letters
        self._result, self._planes, self._fingerprint = None, 0, ""
        self._draft = False
        self._recipe = None if run.labels is not None else _begin_recipe(session, source, run)
        insert_under_prompts(session.viewer, session.layers, layer)
        self._started = self._refreshed = monotonic()
        self._pace = Pace()
        given = None if run.labels is None else run.labels.data
        sink = ArrayLabels(layer.data, letters)
        over = self.work.renew()
        steps = self._iterate(
            session.engine,
            session.source if run.source is None else run.source,
            source,
            sink,
            given,
            layer.data,
            run.request,
            over,
        )
        title = f"{run.request.method.capitalize()}: {picture.main.name}"
        session.say("The whole stack is being looked at …", "busy")
        self.work.start(steps, title, "Looking over the stack …", self._on_step, self._on_finished)

    def close(self) -> None:
        """Stop and show nothing more; a layer that holds nothing goes away."""
        layer, self.layer = self.layer, None
        if layer is not None:
            self.work.close()
            if not self._planes:
                self._take_away(layer)

    def _iterate(
        self,
        engine: Engine,
        model_source: Any,
        source: PlaneSource,
        sink: PlaneSink,
        given: Any,
        copy: Any,
        request: WholeRequest,
        over: Event,
    ) -> Generator[WholeStep, None, None]:
        """Run in the worker; the labels are written here."""
        guarded = _Guarded(sink, over)
        if given is not None:
            for first in range(len(given)):
                copy[first] = np.asarray(given[first]).astype(np.uint32)
            self._result = yield from guarded.watch(
                iterate_tracks(source, guarded, request)
                if request.method == "tracks"
                else iterate_stitched(source, guarded, request)
            )
            return
        own = model_source == self.session.source
        with engine.use(model_source) if own else engine.borrow(model_source) as model:
            self._fingerprint = model.id
            steps = iterate_whole(source, guarded, model, request, draft=True)
            self._result = yield from guarded.watch(steps)

    def _on_step(self, step: WholeStep) -> None:
        if self.layer is None:
            return
        self._planes = max(self._planes, step.planes)
        if step.fresh:
            self._draft = step.draft
            self._planes = max(self._planes, 1)
            self._refresh()
        assert self._pace is not None
        fraction = min(1.0, step.done / max(1, step.total))
        left = self._pace.guess(fraction, monotonic())
        self.work.tell(_describe(step, fraction, left, self._letters, self._draft), fraction)

    def _refresh(self) -> None:
        """Draw what has got labels, now and then: a tenth of the time goes there at most."""
        assert self.layer is not None
        now, begun = monotonic(), perf_counter()
        if now >= self._refreshed:
            self.layer.refresh()
            self._refreshed = monotonic() + max(SOON, 10 * (perf_counter() - begun))

    def _on_finished(self, error: Exception | None) -> None:
        layer, viewer, result = self.layer, self.session.viewer, self._result
        self.layer = None
        if layer is None:
            self.session.say(f"The run ended, since “{self._removed}” was removed.", "ready")
            return
        note = ""
        if not self._planes and result is None:
            self._take_away(layer)
        elif layer in viewer.layers:
            layer.refresh()
            if result is not None and result.tracks is not None:
                show_tracks(viewer, self.session.layers, layer, result.tracks, self._letters)
            layer.metadata[MARK]["letters"] = self._letters
            self._keep_recipe(layer)
            before = visible_labels(viewer.layers)
            self.made.emit(layer)
            note = describe_hidden(before)
        self._report(layer, error, note)

    def _keep_recipe(self, layer: Labels) -> None:
        """Keep with the layer how it was made, or that this cannot be said."""
        mark = layer.metadata[MARK]
        if self._result is not None and self._recipe is not None:
            mark["recipe"] = replace(self._recipe, fingerprint=self._fingerprint).to_dict()
            return
        what = "a run that was ended early" if self._result is None else "a run on other labels"
        mark.setdefault("acts", []).insert(0, Act(what))

    def _report(self, layer: Labels, error: Exception | None, note: str) -> None:
        session, result, request = self.session, self._result, self._request
        assert request is not None
        seconds = monotonic() - self._started
        if error is not None:
            session.say(explain(error), "error")
        elif result is None:
            done = f"; what is done is kept in “{layer.name}”" if self._planes else ""
            if self._draft:
                done += ", the last of it as it looked at first, in one view of three"
            session.say(f"Cancelled{done}.")
        else:
            tracks, count, place = result.tracks, result.count, place_of(layer)
            kind = "object" if tracks is None else "track"
            text = f"{count} {kind}{'s' * (count != 1)}"
            if tracks is not None:
                divisions = len(set(tracks.parents.values()))
                text += f", {divisions} division{'s' * (divisions != 1)},"
            where = "" if place is None else f" They are kept in {place}."
            session.say(f"{text} in “{layer.name}” after {seconds:.1f} s.{where}{note}", "ready")

    def _take_away(self, layer: Labels) -> None:
        if layer in self.session.viewer.layers:
            self.session.viewer.layers.remove(layer)
        remove_labels(place_of(layer))

    def _on_removed(self, layer: Any) -> None:
        if self.layer is not None and layer is self.layer:
            self.layer, self._removed = None, layer.name
            self.work.cancel()


def _begin_recipe(session: Session, source: ArrayPlanes, run: StackRun) -> Recipe:
    """Say what a run does; the model's content is told later."""
    named = session.source if run.source is None else run.source
    return Recipe(
        named if isinstance(named, str) else [str(part) for part in named],
        "",
        source.array_axes,
        source.channels,
        "",
        view=source.view,
        whole={**run.request.to_dict(), "pixel_size": dict(source.pixel_size)},
    )


class _Guarded:
    """Labels that nothing is written to any more once a run is over: a `PlaneSink`.

    A call that cannot be interrupted goes on after its end, when the labels may be corrected. Only
    what renumbers all labels at last is not left half done.
    """

    def __init__(self, sink: PlaneSink, over: Event) -> None:
        self._sink, self._over, self._whole = sink, over, False
        self.axes, self.shape, self.plane_shape = sink.axes, sink.shape, sink.plane_shape
        self.read = sink.read

    def write(self, index: tuple[int, ...], labels: Any, region: Any = None) -> None:
        """See `PlaneSink.write`."""
        if self._whole or not self._over.is_set():
            self._sink.write(index, labels, region)

    def watch(
        self, steps: Generator[WholeStep, None, WholeResult]
    ) -> Generator[WholeStep, None, WholeResult]:
        """Hand steps on, up to the end of the run."""

        def look(step: WholeStep) -> WholeStep:
            self._whole = step.what == DRAWING and not self._over.is_set()
            return step

        return (yield from relay(steps, look))


def _describe(
    step: WholeStep, fraction: float, left: float | None, letters: str, draft: bool
) -> str:
    """Say how far a run has come and how long it will take."""
    if step.what:
        return f"{step.what.capitalize()} …"
    parts = []
    if step.total == step.of:
        unit = "Frame" if "T" in letters and "Z" not in letters else "Plane"
        parts.append(f"{unit} {min(step.planes + 1, step.of)} of {step.of}")
    else:
        parts.append(f"{fraction:.0%}")
        if step.planes:
            parts.append(f"{step.planes} of {step.of} planes done")
        if draft:
            parts.append("a first look is shown")
    if left is not None and left > 0:
        parts.append(f"{format_seconds(left)} left")
    return ", ".join(parts)
