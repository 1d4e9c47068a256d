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
from napari_sam_onnx.plugin.layers.labels import make_target
from napari_sam_onnx.plugin.layers.picture import PlaneStack
from napari_sam_onnx.plugin.layers.placing import insert_under_prompts
from napari_sam_onnx.plugin.layers.plane import take_plane
from napari_sam_onnx.plugin.runs.work import Work
from napari_sam_onnx.plugin.status import explain
from napari_sam_onnx.stacks import iterate_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari.layers import Labels

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
        self._stack: PlaneStack | None = None
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
        stack = PlaneStack(reader, plane, run.whole)
        try:
            axes, link = name_axes(stack, run.link if run.whole else None)
        except ValueError as error:
            session.fail(error)
            return
        self._stack = stack
        self._planes = self._found = 0
        recipe = {"model": _name_of(session.source), "mode": run.mode, **run.parameters}
        self.layer = make_target(
            picture, f"{picture.main.name} automatic", recipe=recipe, link=link
        )
        insert_under_prompts(session.viewer, session.layers, self.layer)
        self._started = monotonic()
        steps = _iterate(
            session.engine, session.source, stack, axes, link, run.mode, run.parameters
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
        if self.layer is None or self._stack is None:
            return
        if update.labels is not None:
            self._planes = update.done
            self._found = max(self._found, int(update.labels.max(initial=0)))
            plane = self._stack.plane_at(update.index)
            take_plane(self.layer.data, plane)[...] = update.labels
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
            if not self._planes and layer in viewer.layers:
                viewer.layers.remove(layer)
            elif layer in viewer.layers:
                self.made.emit(layer)
            self._report(layer, error)
        self.layer = self._stack = None

    def _report(self, layer: Labels, error: Exception | None) -> None:
        seconds = monotonic() - self._started
        if error is not None:
            self.session.say(explain(error), "error")
        elif self.work.stopped:
            kept = f"{self._planes} finished plane{'s' * (self._planes != 1)} kept"
            self.session.say(f"Cancelled; {kept}." if self._planes else "Cancelled.")
        else:
            found = self._found
            self.session.say(
                f"{found} object{'s' * (found != 1)} in “{layer.name}” after {seconds:.1f} s.",
                "ready",
            )

    def _on_removed(self, layer: Any) -> None:
        if layer is self.layer:
            self.layer = None
            self.work.cancel()


def name_axes(stack: PlaneStack, link: int | None) -> tuple[str, str | None]:
    """Name the axes of a stack of planes as the engine knows them.

    Parameters
    ----------
    stack : PlaneStack
    link : int or None
        The axis of the picture along which an object keeps its label.

    Returns
    -------
    axes : str
        The linked axis is Z; another is T.
    link : {"z"} or None

    Raises
    ------
    ValueError
        If the stack runs along more than two axes, or not along the linked one.
    """
    if len(stack.axes) > 2:
        raise ValueError(
            f"The picture has {len(stack.axes)} axes beside the plane and automatic masks take "
            "two at most; choose one axis as channels, or run plane by plane."
        )
    if link is None:
        return "TZ"[2 - len(stack.axes) :] + "YXC", None
    if link not in stack.axes:
        raise ValueError("The picture has one plane along the axis to link; choose another.")
    return "".join("Z" if axis == link else "T" for axis in stack.axes) + "YXC", "z"


def modes() -> tuple[str, ...]:
    """Name the modes that need nothing but a picture."""
    return tuple(mode for mode in MODES if mode != "boxes")


def _iterate(
    engine: Engine,
    source: Any,
    stack: PlaneStack,
    axes: str,
    link: Any,
    mode: str | None,
    parameters: dict[str, Any],
) -> Generator[StackUpdate, None, None]:
    """Run in the worker: lend the model for as long as the run goes on."""
    with engine.use(source) as model:
        yield from iterate_stack(stack, model, axes, link, mode, cache=engine.cache, **parameters)


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
