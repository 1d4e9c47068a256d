"""The controller: the viewer's state -> a request -> the preview.

No widget and no thread of its own: jobs go to a `Lane`; panels listen to the signal of what they
show and read the properties. What the prompts are is a value, `prompts`; the layers show it and
let the user edit it. Prompts carry their full position: those of another plane wait there, and
moving a slider discards nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam_onnx.errors import explain
from napari_sam_onnx.pictures.image import BlankError
from napari_sam_onnx.plugin.layers.labels import NoObjectError
from napari_sam_onnx.plugin.layers.objects import place_box
from napari_sam_onnx.plugin.layers.prompts import PromptLayers
from napari_sam_onnx.plugin.layers.snapshot import keep_inside, without_plane
from napari_sam_onnx.plugin.picture.picture import Picture
from napari_sam_onnx.plugin.picture.plane import box_vertices, from_plane, to_plane
from napari_sam_onnx.plugin.picture.sliders import find_shown_plane, move_sliders
from napari_sam_onnx.plugin.session.advice import NO_PICTURE, advise
from napari_sam_onnx.plugin.session.dialogue import Dialogue, fit_anywhere, tint_alike
from napari_sam_onnx.plugin.session.draft import Draft
from napari_sam_onnx.plugin.session.engine import Engine
from napari_sam_onnx.plugin.session.lanes import Lane, ThreadLane
from napari_sam_onnx.plugin.session.watching import Watcher
from napari_sam_onnx.plugin.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import ArrayLike

    from napari_sam_onnx.labels.fitting import Fitted
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.layers.snapshot import Correction, Snapshot
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.picture.reader import Reader
    from napari_sam_onnx.plugin.session.answers import Answer
    from napari_sam_onnx.plugin.session.engine import Request

DEFAULT_MODEL = "pebble"


class Session:
    """Follows a viewer, asks a model, shows its answers.

    Parameters
    ----------
    viewer : napari ViewerModel
    engine : Engine, optional
    lane : Lane, optional
        Where requests are computed; worker threads where omitted.
    calm : callable, optional
        Makes a function that waits until it is not called any more, for what changes with every
        movement of the mouse; see `Calm`.

    Attributes
    ----------
    picture_changed : Signal
        What the model sees is another picture or plane, or has other channels or contrast; or
        the prompt layers were made anew.
    prompts_changed : Signal
        `prompts`, `request` or `each_click` are others.
    answer_changed : Signal
        `answers` are others, or another candidate is chosen.
    model_changed : Signal
        Another model was chosen, or the chosen one was loaded.
    status_changed : Signal
        `status` is another.
    layers_changed : Signal
        The viewer's layers are others, or one has another name, or another one is selected.
    edited : Signal
        The user changed the prompts: those before and after. A listener may replace them.
    removed : Signal
        A layer left the viewer.
    detached : Signal
        The picture was let go.
    """

    picture_changed = Signal()
    prompts_changed = Signal()
    answer_changed = Signal()
    model_changed = Signal()
    status_changed = Signal()
    layers_changed = Signal()
    edited = Signal(object, object)
    removed = Signal(object)
    detached = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        engine: Engine | None = None,
        lane: Lane | None = None,
        calm: Callable[[Callable[[], None]], Callable[[], None]] = lambda do: do,
    ) -> None:
        self.viewer = viewer
        self.engine = Engine() if engine is None else engine
        self.lane = ThreadLane() if lane is None else lane
        self.status = NO_PICTURE
        self.source: Any = DEFAULT_MODEL
        self.picture: Picture | None = None
        self.layers: PromptLayers | None = None
        self.plane: Plane | None = None
        self.each_click = False
        self._reader: Reader | None = None
        self._prompts: Snapshot | None = None
        self.draft = Draft(self)
        self.dialogue = Dialogue(self)
        self.dialogue.changed.connect(self.answer_changed.emit)
        self.dialogue.loaded.connect(self.model_changed.emit)
        self._watcher = Watcher(self, calm)

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
            self.let_go()
        else:
            self._watcher.leave()
        self.picture = picture
        if picture is None:
            self._say(NO_PICTURE)
            self.picture_changed.emit()
            return
        self._watcher.watch(picture)
        if not same:
            self._make_layers(picture)
        self.renew()

    def choose_layer(self, layer: Image | None) -> None:
        """Take one image layer as it is."""
        self.choose_picture(None if layer is None else Picture((layer,)))

    def choose_model(self, source: Any) -> None:
        """Take another model; labels and prompts stay, the current object is asked again."""
        if source == self.source:
            return
        self.source = source
        self.model_changed.emit()
        self.refresh()

    def choose_each_click(self, on: bool) -> None:
        """Take each click on an object as an object of its own, or all of them as one."""
        if on != self.each_click:
            self.each_click = on
            self.refresh()

    def renew_layers(self) -> None:
        """Send clicks and keys to the prompts; make their layers again where some were removed."""
        if self.picture is None:
            self._say(NO_PICTURE)
            return
        if self.layers is None or not self.layers.present:
            prompts = self._prompts
            if self.layers is not None:
                self.layers.detach()
            self._make_layers(self.picture)
            self.picture_changed.emit()
            if prompts is not None:
                self.replace_prompts(prompts)
        elif self.layers is not None:
            self.layers.activate()
        self.advise()

    def _make_layers(self, picture: Picture) -> None:
        """Make the prompt layers over a picture."""
        self.layers = PromptLayers(self.viewer, picture, self._on_edited, self._watcher.on_turned)
        self.layers.activate()
        self._prompts = self.layers.read()

    def close(self) -> None:
        """Leave the viewer as it was, labels apart."""
        self.lane.close()
        self.let_go()
        self.dialogue.fit, self.dialogue.tint = fit_anywhere, tint_alike
        self._watcher.close()
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
            self._prompts = prompts
            self.refresh()

    def add_box(self, corners: ArrayLike) -> None:
        """Give the current plane a box ``(y0, x0, y1, x1)``: an object more, or one drawn again."""
        if self.layers is None or self.plane is None or self._prompts is None:
            return
        with self.layers.quiet():
            self.layers.draft_box(*place_box(corners, self._prompts, self.plane))
        self._on_edited()

    def add_outline(self, places: ArrayLike) -> None:
        """Give the current plane a rough outline through places ``(y, x)``: an object more."""
        if self.layers is None or self.plane is None or self._prompts is None:
            return
        with self.layers.quiet():
            self.layers.draft_box(from_plane(places, self.plane), self._prompts)
        self._on_edited()

    def open_answered(self, boxes: Sequence[Sequence[float]], masks: Sequence[Mask]) -> None:
        """Open objects of the current plane that are answered already, instead of what is open.

        Parameters
        ----------
        boxes : sequence of (y0, x0, y1, x1)
            One per object.
        masks : sequence of Mask
            The answers, which were found without asking about these boxes.
        """
        if self.layers is None or self.plane is None or self._prompts is None:
            return
        others = without_plane(self._prompts, self.plane)
        drawn = tuple(box_vertices(box, self.plane) for box in boxes)
        after = replace(others, boxes=(*others.boxes, *drawn))
        self.dialogue.learn(after, self.plane, drawn, masks)
        self._edit(self._prompts, after)

    def to_plane_2d(self, shown: Sequence[float]) -> tuple[float, float] | None:
        """Turn a position of the displayed axes, world coordinates, into ``(y, x)``."""
        world = list(self.viewer.dims.point)
        for axis, value in zip(self.viewer.dims.displayed, shown, strict=True):
            world[axis] = float(value)
        return self.to_plane(world)

    def to_plane(self, world: ArrayLike) -> tuple[float, float] | None:
        """Turn a position in world coordinates into ``(y, x)`` of the current plane."""
        if self.layers is None or self.plane is None:
            return None
        y, x = to_plane(self.layers.points.world_to_data(world), self.plane)[0]
        return float(y), float(x)

    def correct(self, correction: Correction) -> None:
        """Open an object that exists on its plane; the prompts of that plane make room for it."""
        if self._prompts is not None:
            others = without_plane(self._prompts, correction.plane)
            after = replace(others, corrections=(*others.corrections, correction))
            self._edit(self._prompts, after)

    # Answers

    @property
    def request(self) -> Request | None:
        """What is asked about the plane that is shown."""
        return self.dialogue.request

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What was answered, one per open object."""
        return self.dialogue.answers

    @property
    def answer(self) -> Answer | None:
        """The answer about the object that was edited last, or None."""
        return self.dialogue.answer

    @property
    def fitted(self) -> tuple[Fitted, ...]:
        """What of the answers would be written."""
        return self.dialogue.fitted

    def refresh(self, *_: Any) -> None:
        """Ask again for what the current plane's prompts describe, or encode it ahead."""
        self.dialogue.refresh()
        self.prompts_changed.emit()

    # Status

    def fail(self, error: Exception) -> None:
        """Say what went wrong, in one sentence."""
        if isinstance(error, BlankError):  # a lost frame among others: nobody's mistake
            text = "What is shown holds no finite value, only NaN or infinite: there is no object."
            self._say(Status(text, "info"))
        elif isinstance(error, NoObjectError):
            self._say(Status(str(error), "info"))
        else:
            self._say(Status(explain(error), "error"))

    def say(self, text: str, kind: Any = "info") -> None:
        """Show a sentence."""
        self._say(Status(text, kind))

    def advise(self, *_: Any) -> None:
        """Say how things stand and what to do next."""
        self._say(advise(self))

    # Inside

    def _edit(self, before: Snapshot, after: Snapshot) -> None:
        """Set all open prompts, as an edit of the user's."""
        if self.layers is not None:
            self.layers.write(after)
            self._prompts = after
            self.edited.emit(before, after)
            self.refresh()

    def _on_edited(self) -> None:
        """Take over what the user did to the prompts."""
        if self.layers is None or self.picture is None or self._prompts is None:
            return
        before = self._prompts
        after = replace(self.layers.read(), corrections=before.corrections)
        if self.plane is None:
            self.layers.write(before)
            self.say("Prompts need the 2D view of a plane of the picture.", "error")
            return
        inside = keep_inside(after, self.picture.shape)
        if not inside.equals(after):
            self.layers.write(inside)
            self.say("That is outside the picture; click inside it.", "error")
        if inside.equals(before):
            return
        self._prompts = inside
        self.edited.emit(before, inside)
        if self._prompts is inside:  # unless a listener took it and gave other prompts
            self.refresh()

    def follow(self, *_: Any) -> None:
        """Take over the plane that the viewer shows."""
        plane = find_shown_plane(self.viewer, self.picture)
        if plane != self.plane:
            self.plane = plane
            self.refresh()
            self.picture_changed.emit()

    def go_to(self, plane: Plane) -> None:
        """Move the sliders to a plane."""
        if self.picture is not None and plane != self.plane:
            move_sliders(self.viewer, self.picture, plane)

    def renew(self, *_: Any) -> None:
        """Read the picture afresh: its pixels, channels or contrast have changed."""
        if self.picture is None:
            return
        self.dialogue.clear()
        self.plane = find_shown_plane(self.viewer, self.picture)
        self._watcher.remember(self.picture, self.plane)
        try:
            self._reader = self.picture.snapshot()
        except ValueError as error:
            self._reader = None
            self.refresh()
            self.fail(error)
        else:
            self.refresh()
        self.picture_changed.emit()

    def let_go(self, soon: bool = False) -> None:
        """Undo `choose_picture`.

        Parameters
        ----------
        soon : bool
            Whether the prompt layers go when the viewer has done what it does now.
        """
        self._watcher.leave()
        self.dialogue.forget()
        layers, self.layers = self.layers, None
        self.picture = self._reader = self.plane = self._prompts = None
        if layers is not None:
            self.detached.emit()
            layers.detach(soon)

    def _say(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self.status_changed.emit()
