"""Automatic masks from the dock: one plane or the whole stack, into a new label image.

Never writes over labels that exist. Planes fill in as they are finished, and stay when the run
is cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam_onnx.automatic import MODES
from napari_sam_onnx.errors import explain
from napari_sam_onnx.image import ImageError
from napari_sam_onnx.label_store import remove_labels
from napari_sam_onnx.planes import ArrayLabels
from napari_sam_onnx.plugin.layers.labels import make_target, place_of
from napari_sam_onnx.plugin.layers.picture import name_axes
from napari_sam_onnx.plugin.layers.placing import insert_under_prompts
from napari_sam_onnx.plugin.runs.work import Work
from napari_sam_onnx.stacks import iterate_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari.layers import Labels

    from napari_sam_onnx.planes import PlaneSink, PlaneSource
    from napari_sam_onnx.plugin.layers.picture import Reader
    from napari_sam_onnx.plugin.layers.plane import Plane
    from napari_sam_onnx.plugin.session.engine import Engine
    from napari_sam_onnx.plugin.session.lanes import Stream
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.stacks import StackUpdate


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a run is asked to do.

    Parameters
    ----------
    mode : str or None
        A key of `MODES`; None: what suits the model.
    parameters : mapping of str to value
        Settings of the mode.
    whole : bool
        All planes, or the one that is shown.
    link : int or None
        The axis of the picture along which an object keeps its label.
    """

    mode: str | None
    parameters: dict[str, Any]
    whole: bool = False
    link: int | None = None


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
        A label image is finished, or what there is of it.
    """

    made = Signal(object)

    def __init__(self, session: Session, stream: Callable[..., Stream] | None = None) -> None:
        self.session = session
        self.work = Work(stream)
        self.layer: Labels | None = None
        self._reader: Reader | None = None
        self._axes = (0, 1)
        self._started = 0.0
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
        recipe = {"model": _name_of(session.source), "mode": run.mode, **run.parameters}
        name = f"{picture.main.name} automatic"
        try:
            link = name_link(reader, plane, run.link if run.whole else None)
            layer = make_target(picture, name, recipe=recipe, link=link)
        except ValueError as error:
            session.fail(error)
            return
        self._reader, self._axes = reader, plane.axes
        self._planes = self._found = 0
        self.layer = layer
        insert_under_prompts(session.viewer, session.layers, self.layer)
        self._started = monotonic()
        axes = name_axes(len(picture.shape), plane.axes, reader.channel_axis)
        settings = {
            "link": link,
            "mode": run.mode,
            "indices": None if run.whole else [reader.index_of(plane)],
            **run.parameters,
        }
        steps = _iterate(
            session.engine,
            session.source,
            reader.planes(plane.axes),
            ArrayLabels(layer.data, axes),
            settings,
        )
        title = f"Automatic masks: {picture.main.name}"
        session.say("Automatic masks are running …", "busy")
        self.work.start(steps, title, "Starting …", self._on_update, self._on_finished)

    def close(self) -> None:
        """Stop and show nothing more."""
        self.layer = None
        self.work.close()

    def _on_update(self, update: StackUpdate) -> None:
        """Show how far the run has come, and a plane that is finished."""
        if self.layer is None or self._reader is None:
            return
        if update.labels is not None:
            self._planes = update.done
            self._found = max(self._found, int(update.labels.max(initial=0)))
            plane = self._reader.plane_at(self._axes, update.index)
            if plane == self.session.plane or self.session.viewer.dims.ndisplay == 3:
                self.layer.refresh()
        inside = 0.0
        if update.step is not None and update.step.total:
            inside = update.step.done / update.step.total
        fraction = min(1.0, (update.done + inside) / max(1, update.total))
        self.work.tell(_describe(update, fraction, monotonic() - self._started), fraction)

    def _on_finished(self, error: Exception | None) -> None:
        """End a run; a layer in which no plane was finished goes away again."""
        layer, viewer = self.layer, self.session.viewer
        if layer is not None:
            if not self._planes:
                if layer in viewer.layers:
                    viewer.layers.remove(layer)
                remove_labels(place_of(layer))
            elif layer in viewer.layers:
                self.made.emit(layer)
            self._report(layer, error)
        self.layer = self._reader = None

    def _report(self, layer: Labels, error: Exception | None) -> None:
        seconds = monotonic() - self._started
        if error is not None:
            self.session.say(explain(error), "error")
        elif self.work.stopped:
            kept = f"{self._planes} finished plane{'s' * (self._planes != 1)} kept"
            self.session.say(f"Cancelled; {kept}." if self._planes else "Cancelled.")
        else:
            found, place = self._found, place_of(layer)
            where = "" if place is None else f" They are kept in {place}."
            self.session.say(
                f"{found} object{'s' * (found != 1)} in “{layer.name}” after {seconds:.1f} s."
                + where,
                "ready",
            )

    def _on_removed(self, layer: Any) -> None:
        if layer is self.layer:
            self.layer = None
            self.work.cancel()


def name_link(reader: Reader, plane: Plane, link: int | None) -> str | None:
    """Name the axis along which an object keeps its label as the engine knows it.

    Parameters
    ----------
    reader : Reader
    plane : Plane
    link : int or None
        The axis of the picture.

    Raises
    ------
    ImageError
        If there is one plane along it, or it lies in the plane.
    """
    if link is None:
        return None
    if link not in plane.others or reader.shape[link] == 1:
        raise ImageError("The picture has one plane along the axis to link; choose another.")
    return name_axes(len(reader.shape), plane.axes, reader.channel_axis)[link].lower()


def modes() -> tuple[str, ...]:
    """Name the modes that need nothing but a picture and a model that answers clicks."""
    return tuple(mode for mode in MODES if mode not in ("boxes", "flows"))


def _iterate(
    engine: Engine,
    source: Any,
    planes: PlaneSource,
    labels: PlaneSink,
    settings: dict[str, Any],
) -> Generator[StackUpdate, None, None]:
    """Run in the worker: lend the model for as long as the run goes on, and write each plane."""
    with engine.use(source) as model:
        # Of a whole stack no plane is looked at twice: what is kept for clicks stays.
        cache = None if settings["indices"] is None else engine.cache
        for update in iterate_stack(planes, model, cache=cache, **settings):
            if update.labels is not None:
                labels.write(update.index, update.labels)
            yield update


def _describe(update: StackUpdate, fraction: float, seconds: float) -> str:
    """Say how far a run has come and how long it will take."""
    parts = []
    if update.total > 1:
        parts.append(f"plane {min(update.done + 1, update.total)} of {update.total}")
    if update.step is not None and update.step.total:
        parts.append(f"{update.step.done} of {update.step.total} {update.step.unit}")
    if fraction > 0.02 and seconds > 0.5:
        parts.append(f"{format_seconds(seconds / fraction - seconds)} left")
    text = ", ".join(parts) or "encoding …"
    return text[0].upper() + text[1:]


def format_seconds(seconds: float) -> str:
    """Write a duration as people say it: ``40 s``, ``3 min``, ``1 h 5 min``."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _name_of(source: Any) -> str:
    return source if isinstance(source, str) else " + ".join(str(part) for part in source)
