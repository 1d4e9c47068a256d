"""Automatic masks from the dock: one plane or the whole stack, into a new label image or gaps.

Never writes over labels that exist. Objects appear as they are found and planes as they are
finished; both stay when the run is cancelled. What was found is kept, to be chosen from again.
"""

from __future__ import annotations

from functools import partial
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from psygnal import Signal

from napari_sam_onnx.automatic import split_limits
from napari_sam_onnx.automatic.finding import Finding
from napari_sam_onnx.automatic.settings.modes import explain_nothing
from napari_sam_onnx.errors import explain
from napari_sam_onnx.labels.label_store import remove_labels
from napari_sam_onnx.memory import give_back_memory
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.planes import ArrayLabels
from napari_sam_onnx.plugin.commits.label_target import Home, LabelTarget
from napari_sam_onnx.plugin.commits.results import describe_hidden, visible_labels
from napari_sam_onnx.plugin.layers.labels import check_target, make_target, place_of
from napari_sam_onnx.plugin.layers.prompts import insert_under_prompts
from napari_sam_onnx.plugin.layers.writable import check_writable
from napari_sam_onnx.plugin.picture.geometry import MARK
from napari_sam_onnx.plugin.picture.reader import name_axes
from napari_sam_onnx.plugin.picture.region import read_region
from napari_sam_onnx.plugin.runs.asked import Run, least_rating, name_link
from napari_sam_onnx.plugin.runs.draft import Draft
from napari_sam_onnx.plugin.runs.filling import Filling, find_places
from napari_sam_onnx.plugin.runs.pace import Pace, describe_update
from napari_sam_onnx.plugin.runs.work import Work
from napari_sam_onnx.records.recipes import Recipe, describe_settings
from napari_sam_onnx.stacks import iterate_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from threading import Event

    from napari.layers import Labels

    from napari_sam_onnx.automatic.settings.modes import Parameters
    from napari_sam_onnx.planes import PlaneSource
    from napari_sam_onnx.plugin.picture.reader import Reader
    from napari_sam_onnx.plugin.picture.region import DrawnRegion
    from napari_sam_onnx.plugin.session.engine import Engine
    from napari_sam_onnx.plugin.session.lanes import Stream
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.stacks import StackUpdate

SOON = 0.3  # seconds between two looks at a plane that is being filled


class Automatic:
    """Starts, shows and cancels automatic masks.

    Parameters
    ----------
    session : Session
        Says which picture, which plane and which model.
    stream : callable, optional
        Runs a generator away from the interface; worker threads where omitted.

    Attributes
    ----------
    work : Work
        The run itself: whether and how far it goes on.
    made : Signal
        A label image is finished, or what there is of it; and the one that it replaces or None.
    filled : Signal
        The gaps of a label image were filled: a `Filling`.
    findings : mapping of napari Labels layer to Finding
        What runs found, where it can be chosen from again.
    """

    made = Signal(object, object)
    filled = Signal(object)

    def __init__(
        self,
        session: Session,
        stream: Callable[..., Stream] | None = None,
        labels: LabelTarget | None = None,
    ) -> None:
        self.session = session
        self.work = Work(stream)
        self.labels = LabelTarget(session) if labels is None else labels
        self.findings: WeakKeyDictionary[Labels, Finding] = WeakKeyDictionary()
        self._filling: Filling | None = None
        self._made: WeakKeyDictionary[Any, list[ref[Labels]]] = WeakKeyDictionary()
        self.layer: Labels | None = None
        self._reader: Reader | None = None
        self._axes = (0, 1)
        self._run: Run | None = None
        self._source: Any = None
        self._fingerprint = ""
        self._link: str | None = None
        self._indices: tuple[tuple[int, ...], ...] | None = None
        self._pace: Pace | None = None
        self._draft: Draft | None = None
        self._started = self._refreshed = 0.0
        self._planes = self._found = 0
        session.removed.connect(self._on_removed)

    def start(self, run: Run) -> None:
        """Begin a run into a new Labels layer."""
        session = self.session
        reader, plane, picture = session.reader, session.plane, session.picture
        if self.work.busy:
            session.say("Automatic masks are running; cancel them first.", "error")
            return
        if picture is None or reader is None or plane is None:
            session.say("Open a picture and show one of its planes in 2D first.", "error")
            return
        try:
            link = name_link(reader, plane, run.link if run.whole else None)
            region = None if run.region is None else read_region(run.region, picture)
            if region is not None and not run.whole and not region.mask(plane).any():
                raise ImageError(f"“{region.name}” covers nothing of this plane; draw there first.")
            if run.fill is not None:
                check_target(run.fill, picture)
                check_writable(run.fill)
        except ValueError as error:
            session.fail(error)
            return
        begin = partial(self._begin, run, link, region)
        if run.fill is None:
            begin()
        else:  # the first number that is free may have to be looked for
            self.labels.when_numbered(Home(picture, run.fill), begin, session.fail)

    def _begin(self, run: Run, link: str | None, region: DrawnRegion | None) -> None:
        session = self.session
        reader, plane, picture = session.reader, session.plane, session.picture
        if picture is None or reader is None or plane is None or self.work.busy:
            return
        try:
            layer = run.fill or make_target(picture, f"{picture.main.name} automatic")
        except ValueError as error:
            session.fail(error)
            return
        self._reader, self._axes = reader, plane.axes
        self._link, self._run, self._source = link, run, session.source
        self._indices = None if run.whole else (reader.index_of(plane),)
        self._planes = self._found = 0
        self._refused: Exception | None = None
        self._removed = ""
        self.layer = layer
        axes = name_axes(len(picture.shape), plane.axes, reader.channel_axis)
        sink = ArrayLabels(layer.data, axes, any_type=run.fill is not None)
        self._filling = self._draft = None
        if run.fill is None:
            insert_under_prompts(session.viewer, session.layers, layer)
            self.findings[layer] = Finding(sink, plane.axes)
            self._draft = Draft(sink) if isinstance(layer.data, np.ndarray) else None
        else:
            self._filling = Filling(layer, sink, plane.axes, self.labels, self.findings, run.keep)
        self._started = self._refreshed = monotonic()
        self._pace = Pace()
        old = None if self._filling is None else self._filling.read_ground
        settings = {
            "link": link,
            "mode": run.mode,
            "indices": self._indices,
            "judge": run.judge,
            "places": find_places(partial(reader.plane_at, plane.axes), region, old),
            **run.parameters,
        }
        planes = reader.planes(plane.axes) if run.whole else reader.as_shown(plane)
        over = self.work.renew()
        finding = None if self._filling is not None else self.findings[layer]
        steps = self._iterate(
            session.engine, session.source, planes, finding, self._draft, over, settings
        )
        title = f"Automatic masks: {picture.main.name}"
        session.say("Automatic masks are running …", "busy")
        self.work.start(
            steps, title, "Looking over the picture …", self._on_update, self._on_finished
        )

    def close(self) -> None:
        """Stop and show nothing more; a layer that holds nothing goes away."""
        layer, self.layer = self.layer, None
        self.work.close()
        if layer is not None and self._filling is None and not self._planes and not self._drafted:
            self._take_away(layer)

    @property
    def _drafted(self) -> int:
        """Objects on the plane that is not finished."""
        return 0 if self._draft is None else len(self._draft)

    def _take_away(self, layer: Labels) -> None:
        if layer in self.session.viewer.layers:
            self.session.viewer.layers.remove(layer)
        remove_labels(place_of(layer))

    def _iterate(
        self,
        engine: Engine,
        source: Any,
        planes: PlaneSource,
        finding: Finding | None,
        draft: Draft | None,
        over: Event,
        settings: dict[str, Any],
    ) -> Generator[StackUpdate | None, None, None]:
        """Run in the worker: lend the model while the run goes on, and write each new plane.

        None says that the model is opened first.
        """
        last = 0
        if engine.loaded(source) is None:
            yield None
        with engine.use(source) as model:
            self._fingerprint = model.id
            # Of a whole stack no plane is looked at twice: what is kept for clicks stays.
            cache = None if settings["indices"] is None else engine.cache
            if cache is None:
                engine.drop_large()
            for update in iterate_stack(planes, model, cache=cache, keep=True, **settings):
                if over.is_set():  # the labels may be corrected already
                    return
                if update.labels is not None and finding is not None:
                    finding.labels.write(update.index, update.labels)
                    if update.found is not None and update.numbers is not None:
                        finding.add(update.index, update.found, update.numbers, update.labels)
                    last = max(last, int(update.labels.max(initial=0)))
                    give_back_memory()
                    if draft is not None:
                        draft.clear()
                elif update.step is not None and draft is not None:
                    draft.begin(update.index, last)
                    least = least_rating(update.settings)
                    draft.add(mask for mask in update.step.masks if not mask.rating < least)
                yield update

    def _on_update(self, update: StackUpdate | None) -> None:
        """Show how far the run has come, and a plane that is finished."""
        if self.layer is None or self._reader is None:
            return
        if update is None:
            self.work.tell("Opening the model …")
            return
        if update.labels is not None:
            self._planes = update.done
            if self._filling is not None:
                try:
                    self._found = self._filling.write(update)
                except ValueError as error:  # its type cannot hold the numbers
                    self.work.cancel()
                    self._refused = error
                    return
            else:
                self._found = max(self._found, int(update.labels.max(initial=0)))
            if update.settings is not None:
                self._keep_recipe(update.settings)
        if update.labels is not None or (update.step is not None and update.step.masks):
            self._refresh(update, final=update.labels is not None)
        inside = 0.0
        if update.step is not None and update.step.total:
            inside = update.step.done / update.step.total
        looking = update.step is not None and not update.step.total
        if looking and not update.done:  # nobody knows yet how much there is to do
            self.work.tell(describe_update(update, None, self._drafted))
            return
        fraction = min(1.0, (update.done + inside) / max(1, update.total))
        assert self._pace is not None
        left = self._pace.guess(fraction, monotonic())
        self.work.tell(describe_update(update, left, self._drafted), fraction)

    def _keep_recipe(self, settings: Parameters) -> None:
        """Keep with the layer how its labels were made, once nothing is left open any more.

        What was made in a region or in gaps cannot be made again without them: it has no recipe.
        """
        assert self.layer is not None and self._reader is not None and self._run is not None
        if self._run.region is not None or self._run.fill is not None:
            return
        mark = self.layer.metadata[MARK]
        if "recipe" in mark:
            return
        planes = self._reader.planes(self._axes)
        mode, values = describe_settings(settings)
        source = self._source
        mark["recipe"] = Recipe(
            source if isinstance(source, str) else [str(part) for part in source],
            self._fingerprint,
            planes.array_axes,
            planes.channels,
            mode,
            {**split_limits(mode, self._run.parameters)[1], **values},
            self._link,
            self._indices,
            planes.view,
            None if self._run.judge is None else self._run.judge.to_dict(),
        ).to_dict()

    def _refresh(self, update: StackUpdate, *, final: bool) -> None:
        """Draw a plane that has got labels; while it is not finished, now and then."""
        assert self.layer is not None and self._reader is not None
        plane = self._reader.plane_at(self._axes, update.index)
        if plane != self.session.plane and self.session.viewer.dims.ndisplay != 3:
            return
        now, begun = monotonic(), perf_counter()
        if final or now >= self._refreshed:
            self.layer.refresh()
            # drawing a large plane takes long: at most a tenth of the time goes there
            self._refreshed = now + max(SOON, 10 * (perf_counter() - begun))

    def _on_finished(self, error: Exception | None) -> None:
        """End a run; a layer in which no plane was finished goes away again."""
        layer, viewer, filling = self.layer, self.session.viewer, self._filling
        error = error or self._refused
        note = ""
        if layer is None:
            self.session.say(f"The run ended, since “{self._removed}” was removed.", "ready")
        else:
            if filling is not None:
                if filling.indices and layer in viewer.layers:
                    layer.refresh()
                    self.filled.emit(filling)
            elif not self._planes and not self._drafted:
                self._take_away(layer)
            elif layer in viewer.layers:
                layer.refresh()
                replaced, note = self._find_replaced(layer, error)
                before = visible_labels(viewer.layers)
                self.made.emit(layer, replaced)
                note += describe_hidden(before)
            self._report(layer, error, note)
        self.layer = self._reader = self._filling = None

    def _find_replaced(self, layer: Labels, error: Exception | None) -> tuple[Labels | None, str]:
        """Find the last result, which a whole new one takes the place of; what to say instead."""
        picture, viewer = self.session.picture, self.session.viewer
        assert self._run is not None
        if picture is None or error is not None or self.work.stopped:
            return None, ""
        known = self._made.setdefault(picture.main, [])
        there = [made() for made in known if made() in viewer.layers]  # undo may take some away
        last, new = there[-1] if there else None, self.findings[layer]
        known[:] = [made for made in known if made() is not None] + [ref(layer)]
        old = None if last is None else self.findings.get(last)
        if self._run.keep or last is None or old is None:
            return None, ""
        if old.view != new.view or not set(old.planes) <= set(new.planes):
            return None, ""
        if last.data is not getattr(old.labels, "array", None) or old.is_corrected():
            return None, f" “{last.name}” was corrected since and stays."
        return last, ""

    def _report(self, layer: Labels, error: Exception | None, note: str) -> None:
        seconds = monotonic() - self._started
        if error is not None:
            self.session.say(explain(error), "error")
        elif self.work.stopped:
            drafted, planes = self._drafted, self._planes
            kept = [f"{planes} finished plane{'s' * (planes != 1)}"] * bool(planes)
            kept += [f"{drafted} object{'s' * (drafted != 1)} found so far"] * bool(drafted)
            self.session.say(f"Cancelled; {' and '.join(kept)} kept." if kept else "Cancelled.")
        else:
            found, place = self._found, place_of(layer)
            where = "" if place is None else f" They are kept in {place}."
            new = " new" if self._filling is not None else ""
            run = self._run
            why = "" if found or run is None else explain_nothing(run.mode, run.parameters)
            self.session.say(
                f"{found}{new} object{'s' * (found != 1)} in “{layer.name}” after {seconds:.1f} s"
                + (f". {why}" if why else "; what you accept and correct goes there now.")
                + where
                + note,
                "ready",
            )

    def _on_removed(self, layer: Any) -> None:
        if self.layer is not None and layer is self.layer:
            self.layer, self._removed = None, layer.name
            self.work.cancel()
