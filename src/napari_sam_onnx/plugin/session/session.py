"""The controller: the viewer's state -> a request -> the preview.

No widget and no thread of its own: jobs go to a `Lane`, panels listen to `Session.changed` and
read the properties. Prompts carry their full position: those of another plane wait there, and
moving a slider discards nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from psygnal import Signal

from napari_sam_onnx.plugin.layers.geometry import role_of
from napari_sam_onnx.plugin.layers.picture import Picture
from napari_sam_onnx.plugin.layers.placing import (
    explain_no_plane,
    find_shown_plane,
    keep_inside,
    move_sliders,
    without_boxes,
)
from napari_sam_onnx.plugin.layers.plane import box_vertices, to_plane
from napari_sam_onnx.plugin.layers.prompts import PromptLayers, prompts_on
from napari_sam_onnx.plugin.session.answers import AnswerBook
from napari_sam_onnx.plugin.session.engine import Engine, Request
from napari_sam_onnx.plugin.session.lanes import Job, Lane, ThreadLane
from napari_sam_onnx.plugin.status import Status, explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from numpy.typing import ArrayLike

    from napari_sam_onnx.masks import Mask
    from napari_sam_onnx.plugin.layers.picture import Reader
    from napari_sam_onnx.plugin.layers.plane import Plane
    from napari_sam_onnx.plugin.layers.snapshot import Snapshot
    from napari_sam_onnx.plugin.session.answers import Answer

DEFAULT_MODEL = "pebble"

NO_PICTURE = Status("Open a picture to begin.")


class Session:
    """Follows a viewer, asks a model, shows its answers.

    Parameters
    ----------
    viewer : napari ViewerModel
    engine : Engine, optional
    lane : Lane, optional
        Where requests are computed; worker threads where omitted.

    Attributes
    ----------
    changed : Signal
        Anything that a panel shows has changed.
    edited : Signal
        The user changed the prompts: the snapshots before and after.
    removed : Signal
        A layer left the viewer.
    detached : Signal
        The picture was let go.
    """

    changed = Signal()
    edited = Signal(object, object)
    removed = Signal(object)
    detached = Signal()

    def __init__(
        self, viewer: ViewerModel, engine: Engine | None = None, lane: Lane | None = None
    ) -> None:
        self.viewer = viewer
        self.engine = Engine() if engine is None else engine
        self.lane = ThreadLane() if lane is None else lane
        self.status = NO_PICTURE
        self.source: Any = DEFAULT_MODEL
        self.picture: Picture | None = None
        self.layers: PromptLayers | None = None
        self.plane: Plane | None = None
        self.request: Request | None = None
        self.answer: Answer | None = None
        self._reader: Reader | None = None
        self._prompts: Snapshot | None = None
        self._answers = AnswerBook()
        self._numbers = count(1)
        self._watched = (
            (viewer.dims.events.current_step, self._follow),
            (viewer.dims.events.order, self._follow),
            (viewer.dims.events.ndisplay, self._follow),
            (viewer.layers.events.removed, self._on_removed),
            (viewer.layers.events.inserted, self._on_inserted),
            (viewer.layers.selection.events.active, self._on_selection),
        )
        for emitter, callback in self._watched:
            # after the viewer's own callbacks, which place and select a new layer
            emitter.connect(callback, position="last")
        for layer in viewer.layers:
            layer.events.name.connect(self._on_renamed)

    # What is chosen

    def choose_picture(self, picture: Picture | None) -> None:
        """Take another picture, or other channels of the same one.

        Prompts stay where the pixels stay; labels always do.
        """
        same = (
            self.picture is not None
            and picture is not None
            and self.layers is not None
            and self.layers.present
            and picture.main is self.picture.main
            and picture.shape == self.picture.shape
        )
        if not same:
            self._detach()
        else:
            self._unwatch_picture()
        self.picture = picture
        if picture is None:
            self._say(NO_PICTURE)
            return
        self._watch_picture()
        if not same:
            self.layers = PromptLayers(self.viewer, picture, self._on_edited)
            self.layers.activate()
            self._prompts = self.layers.read()
        self._renew()

    def choose_layer(self, layer: Image | None) -> None:
        """Take one image layer as it is."""
        self.choose_picture(None if layer is None else Picture((layer,)))

    def choose_model(self, source: Any) -> None:
        """Take another model; labels and prompts stay, the current object is asked again."""
        if source == self.source:
            return
        self.source = source
        self.refresh()

    def renew_layers(self) -> None:
        """Make the prompt layers again where the user removed them, and select the points."""
        if self.picture is None:
            self._say(NO_PICTURE)
        elif self.layers is None or not self.layers.present:
            picture = self.picture
            self._detach()
            self.choose_picture(picture)
        else:
            self.layers.activate()
            self.changed.emit()

    def close(self) -> None:
        """Leave the viewer as it was, labels apart."""
        self.lane.close()
        self._detach()
        for emitter, callback in self._watched:
            emitter.disconnect(callback)
        for layer in self.viewer.layers:
            layer.events.name.disconnect(self._on_renamed)
        self.engine.close()

    # Prompts

    @property
    def prompts(self) -> Snapshot | None:
        """All open prompts, or None without a picture."""
        return self._prompts

    @property
    def reader(self) -> Reader | None:
        """The picture as workers read it, or None without one."""
        return self._reader

    def replace_prompts(self, prompts: Snapshot) -> None:
        """Set all open prompts, without recording it as an edit."""
        if self.layers is not None:
            self.layers.write(prompts)
            self._prompts = self.layers.read()
            self.refresh()

    def add_box(self, corners: ArrayLike) -> None:
        """Give the current plane its box ``(y0, x0, y1, x1)``; an earlier one is replaced."""
        if self.layers is None or self.plane is None or self._prompts is None:
            return
        with self.layers.quiet():
            self.layers.draft_box(box_vertices(corners, self.plane), self._other_boxes())
        self._on_edited()

    def draft_box(self, corners: ArrayLike) -> None:
        """Show a box while it is being drawn."""
        if self.layers is not None and self.plane is not None and self._prompts is not None:
            self.layers.draft_box(box_vertices(corners, self.plane), self._other_boxes())

    def drop_draft(self) -> None:
        """Take back a box that was begun and not drawn."""
        if self.layers is not None and self._prompts is not None:
            self.layers.write(self._prompts)

    def to_plane(self, world: ArrayLike) -> tuple[float, float] | None:
        """Turn a position in world coordinates into ``(y, x)`` of the current plane."""
        if self.layers is None or self.plane is None:
            return None
        y, x = to_plane(self.layers.points.world_to_data(world), self.plane)[0]
        return float(y), float(x)

    def cycle(self) -> None:
        """Show the next candidate of the current answer."""
        if self.answer is None:
            self._say(Status("There is no mask yet; click on an object first.", "error"))
            return
        self.answer.chosen = (self.answer.chosen + 1) % len(self.answer.candidates)
        self._show(self.answer)

    def adopt(self, mask: Mask) -> None:
        """Show a mask from elsewhere as the answer to the current prompts."""
        if self.request is None or not self.request.answerable:
            self.say("There are no prompts that this mask answers; click on an object.", "error")
            return
        self._show(self._answers.add(self.request, mask))

    # Requests

    def refresh(self, *_: Any) -> None:
        """Ask again for what the current plane's prompts describe, or encode it ahead."""
        self.request = None
        if self.picture is None or self.layers is None or self._reader is None:
            self._show(None)
            return
        if self.plane is None:
            self._show(None)
            self.say(explain_no_plane(self.viewer))
            return
        points, labels, box = prompts_on(self.layers.read(), self.plane)
        request = self.make_request(self.plane, points, labels, box)
        self.request = request
        known = self._answers.find(request)
        if known is not None:
            self._show(known)
            return
        if not request.answerable:
            self._show(None)
        if self.engine.ready(request) and not request.answerable:
            self._say_ready()
            return
        self._say_waiting(request)
        self.ask(request, self._on_answer, self.fail)

    def make_request(
        self, plane: Plane, points: Any, labels: Any, box: Any, *, alone: bool = False
    ) -> Request:
        """Build a request; it refines the answer it adds to, unless it stands alone."""
        assert self._reader is not None
        number = next(self._numbers)
        request = Request(number, self.source, self._reader, plane, points, labels, box)
        if alone or self.answer is None or not self.answer.is_extended_by(request):
            return request
        return replace(request, refine=self.answer.mask.low_res)

    def ask(
        self,
        request: Request,
        done: Callable[[Request, Mask | None], None],
        failed: Callable[[Exception], None],
        *,
        replaceable: bool = True,
    ) -> None:
        """Compute a request away from the interface."""
        run = partial(self.engine.answer, request)
        self.lane.submit(Job(run, partial(done, request), failed, replaceable))

    def fail(self, error: Exception) -> None:
        """Say what went wrong, in one sentence."""
        self._say(Status(explain(error), "error"))

    def say(self, text: str, kind: Any = "info") -> None:
        """Show a sentence."""
        self._say(Status(text, kind))

    # Inside

    def _on_answer(self, request: Request, mask: Mask | None) -> None:
        """Show an answer, unless a newer request was made meanwhile."""
        if self.request is None or request.number != self.request.number:
            return
        if mask is None:
            self._say_ready()
            return
        self._show(self._answers.add(request, mask))

    def _show(self, answer: Answer | None) -> None:
        self.answer = answer
        if self.layers is not None and self.layers.preview.layer in self.viewer.layers:
            if answer is None:
                self.layers.preview.clear()
            else:
                self.layers.preview.show(answer.mask, answer.request.plane)
        if answer is not None:
            self._say_ready()
        else:
            self.changed.emit()

    def _on_edited(self) -> None:
        """Take over what the user did to the prompts."""
        if self.layers is None or self.picture is None or self._prompts is None:
            return
        before, after = self._prompts, self.layers.read()
        inside = keep_inside(after, self.picture.shape)
        if not inside.equals(after):
            self.layers.write(inside)
            self.say("That is outside the picture; click inside it.", "error")
        if inside.equals(before):
            return
        self._prompts = inside
        self.edited.emit(before, inside)

    def _other_boxes(self) -> Snapshot:
        """Return the open prompts without the current plane's boxes."""
        assert self._prompts is not None and self.plane is not None
        return without_boxes(self._prompts, self.plane)

    def _follow(self, *_: Any) -> None:
        """Take over the plane that the viewer shows."""
        plane = find_shown_plane(self.viewer, self.picture)
        if plane != self.plane:
            self.plane = plane
            self.refresh()

    def go_to(self, plane: Plane) -> None:
        """Move the sliders to a plane."""
        if self.picture is not None and plane != self.plane:
            move_sliders(self.viewer, self.picture, plane)

    def _renew(self, *_: Any) -> None:
        """Read the picture afresh: its pixels, channels or contrast have changed."""
        if self.picture is None:
            return
        self._answers.clear()
        self.answer = None
        try:
            self._reader = self.picture.snapshot()
        except ValueError as error:
            self._reader = None
            self.refresh()
            self.fail(error)
            return
        self.plane = find_shown_plane(self.viewer, self.picture)
        self.refresh()

    def _on_pixels(self, *_: Any) -> None:
        """Follow new data of the picture; another shape needs other layers."""
        picture = self.picture
        if picture is None or self.layers is None:
            return
        if picture.shape != tuple(self._reader.shape if self._reader else picture.shape):
            self._detach()
            self.choose_layer(picture.main)
        else:
            self._renew()

    def _on_moved(self, *_: Any) -> None:
        if self.picture is not None and self.layers is not None:
            self.layers.refit(self.picture)
            self._follow()

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        layer.events.name.disconnect(self._on_renamed)
        if self.picture is not None and layer in self.picture.layers:
            name = layer.name
            self._detach()
            self.say(f"“{name}” was removed; choose another picture. Labels are kept.")
        elif self.layers is not None and layer in self.layers.all:
            self.say("A prompt layer was removed; press “Click objects” to get it back.")
        self.removed.emit(layer)
        self.changed.emit()

    def _on_inserted(self, event: Any) -> None:
        event.value.events.name.connect(self._on_renamed)
        self.changed.emit()

    def _on_renamed(self, *_: Any) -> None:
        self.changed.emit()

    def _on_selection(self, *_: Any) -> None:
        """Begin with the first picture that is opened; later ones are the user's choice."""
        active = self.viewer.layers.selection.active
        if self.picture is None and isinstance(active, Image) and role_of(active) is None:
            self.choose_layer(active)
        self.changed.emit()

    def _watch_picture(self) -> None:
        for emitter, callback in self._picture_events():
            emitter.connect(callback)

    def _unwatch_picture(self) -> None:
        for emitter, callback in self._picture_events():
            emitter.disconnect(callback)

    def _picture_events(self) -> list[tuple[Any, Callable[..., None]]]:
        if self.picture is None:
            return []
        main = self.picture.main
        events = [(layer.events.data, self._on_pixels) for layer in self.picture.layers]
        if self.picture.as_shown:
            events += [(e.events.contrast_limits, self._renew) for e in self.picture.layers]
        names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        return events + [(getattr(main.events, name), self._on_moved) for name in names]

    def _detach(self) -> None:
        """Undo `choose_picture`."""
        self._unwatch_picture()
        layers, self.layers = self.layers, None
        self.picture = self._reader = self.plane = self.request = self.answer = None
        self._prompts = None
        self._answers.clear()
        if layers is not None:
            self.detached.emit()
            layers.detach()

    def _say(self, status: Status) -> None:
        self.status = status
        self.changed.emit()

    def _say_waiting(self, request: Request) -> None:
        if self.engine.ready(request):
            return
        if self.engine.loaded(request.source) is None:
            self.say("Loading the model …", "busy")
        else:
            self.say("Encoding this plane …", "busy")

    def _say_ready(self) -> None:
        request = self.request
        if self.answer is not None and not self.answer.mask:
            self.say("The mask is empty; move the point or add one.")
        elif self.answer is not None:
            self.say("N accepts, W shows the next candidate, right-click corrects.", "ready")
        elif request is not None and len(request.points):
            self.say("Add a point on the object: background points alone say nothing.", "info")
        else:
            self.say("Ready: click on an object.", "ready")
