"""The controller: the viewer's state -> a request -> the preview.

No widget and no thread of its own: jobs go to a `Lane`; panels listen to the signal of what they
show and read the properties. What the prompts are is a value, `prompts`; the layers show it and
let the user edit it. Prompts carry their full position: those of another plane wait there, and
moving a slider discards nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from psygnal import Signal

from napari_sam_onnx.errors import explain
from napari_sam_onnx.plugin.layers.objects import place_box, split_objects
from napari_sam_onnx.plugin.layers.picture import Picture
from napari_sam_onnx.plugin.layers.placing import (
    find_shown_plane,
    keep_inside,
    move_sliders,
    without_plane,
)
from napari_sam_onnx.plugin.layers.plane import box_vertices, to_plane
from napari_sam_onnx.plugin.layers.preview import Shown
from napari_sam_onnx.plugin.layers.prompts import PromptLayers
from napari_sam_onnx.plugin.session.advice import NO_PICTURE, advise, is_doubtful
from napari_sam_onnx.plugin.session.answers import AnswerBook, rank
from napari_sam_onnx.plugin.session.engine import Engine, Request
from napari_sam_onnx.plugin.session.fit import Fitted, fit_masks
from napari_sam_onnx.plugin.session.lanes import Job, Lane, ThreadLane
from napari_sam_onnx.plugin.session.watching import Watcher
from napari_sam_onnx.plugin.status import Status
from napari_sam_onnx.prompts import PromptError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import ArrayLike

    from napari_sam_onnx.masks import Mask
    from napari_sam_onnx.plugin.layers.picture import Reader
    from napari_sam_onnx.plugin.layers.plane import Plane
    from napari_sam_onnx.plugin.layers.snapshot import Correction, Snapshot
    from napari_sam_onnx.plugin.session.answers import Answer
    from napari_sam_onnx.prompts import Prompts

    Fit = Callable[[Sequence[Mask], Plane], Sequence[Fitted]]

DEFAULT_MODEL = "pebble"


def _look(fit: Fitted, mask: Mask) -> Literal["sure", "doubtful", "refused"]:
    if fit.problem:
        return "refused"
    return "doubtful" if is_doubtful(mask) else "sure"


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
        self.request: Request | None = None
        self.answers: tuple[Answer, ...] = ()
        self.each_click = False
        self.fit: Fit = lambda masks, _: fit_masks(None, masks)
        self.fitted: tuple[Fitted, ...] = ()
        self._current = 0
        self._reader: Reader | None = None
        self._prompts: Snapshot | None = None
        self._book = AnswerBook()
        self._numbers = count(1)
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
        self.fit = lambda masks, _: fit_masks(None, masks)
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

    def draft_box(self, corners: ArrayLike) -> None:
        """Show a box while it is being drawn."""
        if self.layers is not None and self.plane is not None and self._prompts is not None:
            self.layers.draft_box(box_vertices(corners, self.plane), self._prompts)

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

    def correct(self, correction: Correction) -> None:
        """Open an object that exists on its plane; the prompts of that plane make room for it."""
        if self._prompts is None or self.layers is None:
            return
        before = self._prompts
        others = without_plane(before, correction.plane)
        after = replace(others, corrections=(*others.corrections, correction))
        self.layers.write(after)
        self._prompts = after
        self.edited.emit(before, after)
        self.refresh()

    # Answers

    @property
    def answered(self) -> bool:
        """Whether the answers that are shown are those to what is asked now."""
        keys = self.request.keys if self.request is not None else ()
        return [answer.key for answer in self.answers] == list(keys)

    def check_seen(self) -> None:
        """Refuse to go on where the user cannot see what is shown.

        Raises
        ------
        PromptError
            If the preview is hidden or was removed.
        """
        if self.layers is not None and not self.layers.preview_seen:
            raise PromptError(
                f"“{self.layers.preview.layer.name}” is hidden, so nobody sees what would be "
                "written; press “Click objects” to show it."
            )

    def fit_again(self) -> None:
        """Show anew what of the masks would be written: labels, target or rules have changed."""
        if self.answers and self.plane is not None:
            before = self.fitted
            self._draw()
            if [fit.problem for fit in before] != [fit.problem for fit in self.fitted]:
                self.advise()

    @property
    def answer(self) -> Answer | None:
        """The answer about the object that was edited last, or None."""
        if not self.answers:
            return None
        return self.answers[min(self._current, len(self.answers) - 1)]

    @property
    def current_request(self) -> Request | None:
        """What is asked about the object that was edited last, or None."""
        request = self.request
        if request is None or not request.answerable:
            return None
        current = min(self._current, len(request.prompts) - 1)
        return replace(request, prompts=(request.prompts[current],))

    def cycle(self) -> None:
        """Show the next candidate of the object that was edited last."""
        answer = self.answer
        if answer is None:
            self._say(Status("There is no mask yet; click on an object first.", "error"))
            return
        chosen = answer.next()
        if chosen.is_upscaled():
            self._exchange(answer, chosen)
            return
        job = Job(lambda: chosen.mask, lambda _: self._exchange(answer, chosen), self.fail)
        self.lane.submit(job)

    def adopt(self, mask: Mask) -> None:
        """Show a mask from elsewhere as the answer about the object that was edited last."""
        request = self.current_request
        if request is None:
            self.say("There are no prompts that this mask answers; click on an object.", "error")
            return
        adopted = self._book.add(rank(request.place, request.prompts[0], mask))
        known = {answer.key: answer for answer in self.answers}
        self._show_known({**known, adopted.key: adopted})

    # Requests

    def refresh(self, *_: Any) -> None:
        """Ask again for what the current plane's prompts describe, or encode it ahead."""
        before, self.request = self.request, None
        if self.picture is None or self.layers is None or self._reader is None:
            self._show(())
        elif self.plane is None or self._prompts is None:
            self._show(())
            self.advise()
        else:
            objects = split_objects(self._prompts, self.plane, self.each_click)
            self.request = self.make_request(self.plane, objects)
            self._point_at_edited(before, self.request)
            self._answer(self.request)
        self.prompts_changed.emit()

    def make_request(self, plane: Plane, objects: tuple[Prompts, ...]) -> Request:
        """Build a request about some objects of a plane."""
        assert self._reader is not None
        return Request(next(self._numbers), self.source, self._reader, plane, objects)

    def ask(
        self,
        request: Request,
        done: Callable[[Request, list[Mask]], None],
        failed: Callable[[Exception], None],
        *,
        replaceable: bool = True,
    ) -> None:
        """Compute a request away from the interface."""
        loaded = self.engine.loaded(request.source) is not None

        def answer(masks: list[Mask]) -> None:
            if not loaded:
                self.model_changed.emit()
            done(request, masks)

        self.lane.submit(Job(partial(self.engine.answer, request), answer, failed, replaceable))

    # Status

    def fail(self, error: Exception) -> None:
        """Say what went wrong, in one sentence."""
        self._say(Status(explain(error), "error"))

    def say(self, text: str, kind: Any = "info") -> None:
        """Show a sentence."""
        self._say(Status(text, kind))

    def advise(self, *_: Any) -> None:
        """Say how things stand and what to do next."""
        self._say(advise(self))

    # Inside

    def _answer(self, request: Request) -> None:
        """Show the answers to a request: those that are known at once, then the others."""
        known = {answer.key: answer for answer in self.answers}
        for prompts, key in zip(request.prompts, request.keys, strict=True):
            if key not in known and (given := self._given(prompts)) is not None:
                known[key] = rank(request.place, prompts, given)
        found = [known.get(key) or self._book.find(key) for key in request.keys]
        missing = tuple(
            self._refine(request, prompts)
            for prompts, answer in zip(request.prompts, found, strict=True)
            if answer is None
        )
        if request.answerable and not missing:
            self._show_known({answer.key: answer for answer in found if answer is not None})
            return
        if not request.answerable:
            self._show(())
        if not self.engine.ready(request):
            self.advise()
        elif not request.answerable:
            self.advise()
            return
        asked = tuple(p for p, answer in zip(request.prompts, found, strict=True) if answer is None)
        done = partial(self._on_answer, asked, known)
        self.ask(replace(request, prompts=missing), done, partial(self._on_failed, request))

    def _given(self, prompts: Prompts) -> Mask | None:
        """Return the mask of an object that was opened and not corrected yet."""
        if self._prompts is None or self.plane is None or len(prompts.points):
            return None
        correction = self._prompts.correction_on(self.plane)
        opened = correction is not None and prompts.mask is correction.mask.low_res
        return correction.mask if correction is not None and opened and prompts.mask else None

    def _on_failed(self, request: Request, error: Exception) -> None:
        """Say what went wrong with a request, unless a newer one was made meanwhile."""
        if self.request is not None and request.number == self.request.number:
            self.fail(error)

    def _refine(self, request: Request, prompts: Prompts) -> Prompts:
        """Let prompts correct the answer that they add to."""
        for answer in self.answers:
            if answer.is_extended_by(request.place, prompts):
                return replace(prompts, mask=answer.mask.low_res)
        return prompts

    def _on_answer(
        self,
        asked: tuple[Prompts, ...],
        known: dict[tuple[Any, ...], Answer],
        request: Request,
        masks: list[Mask],
    ) -> None:
        """Show an answer, unless a newer request was made meanwhile."""
        if self.request is None or request.number != self.request.number:
            return
        for prompts, mask in zip(asked, masks, strict=True):
            answer = self._book.add(rank(request.place, prompts, mask))
            known[answer.key] = answer
        self._show_known(known)

    def _show_known(self, known: dict[tuple[Any, ...], Answer]) -> None:
        """Show the answers about the open objects, of all that are known."""
        keys = self.request.keys if self.request is not None else ()
        found = [known.get(key) or self._book.find(key) for key in keys]
        self._show(tuple(answer for answer in found if answer is not None))
        self.advise()

    def _show(self, answers: tuple[Answer, ...]) -> None:
        if not answers and not self.answers:
            return
        self.answers = answers
        self._draw()
        self.answer_changed.emit()

    def _draw(self) -> None:
        """Draw what would be written; a mask that is refused is drawn as it is, as refused."""
        layers, plane = self.layers, self.plane
        seen = self.answers if plane is not None else ()
        self.fitted = ()
        if seen and plane is not None:
            self.fitted = tuple(self.fit([answer.mask for answer in seen], plane))
        if layers is None or layers.preview.layer not in self.viewer.layers:
            return
        if not self.fitted or plane is None:
            layers.preview.clear()
            return
        pairs = zip(self.fitted, seen, strict=True)
        layers.preview.show([Shown(fit.mask, _look(fit, a.mask)) for fit, a in pairs], plane)

    def _exchange(self, old: Answer, new: Answer) -> None:
        """Show another candidate, where its object is still the one that is shown."""
        if any(answer is old for answer in self.answers):
            self._book.add(new)
            self._show(tuple(new if answer is old else answer for answer in self.answers))
            self.advise()

    def _point_at_edited(self, before: Request | None, now: Request) -> None:
        """Make the object that has changed the current one."""
        old = set(before.keys) if before is not None else set()
        new = [i for i, key in enumerate(now.keys) if key not in old]
        self._current = new[-1] if new else max(0, min(self._current, len(now.prompts) - 1))

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
        self._book.clear()
        self._show(())
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

    def let_go(self) -> None:
        """Undo `choose_picture`."""
        self._watcher.leave()
        self._book.clear()
        self._show(())
        layers, self.layers = self.layers, None
        self.picture = self._reader = self.plane = self.request = self._prompts = None
        if layers is not None:
            self.detached.emit()
            layers.detach()

    def _say(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self.status_changed.emit()
