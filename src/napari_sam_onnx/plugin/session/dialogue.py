"""What is asked about the open objects of the plane that is shown, and what is answered.

Answers are numbered: one that is no longer asked for is not shown. What was answered lately is
found again without asking.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from psygnal import Signal

from napari_sam_onnx.labels.edits import invert
from napari_sam_onnx.labels.fitting import Fitted, fit_masks
from napari_sam_onnx.plugin.layers.colors import Tint
from napari_sam_onnx.plugin.layers.objects import split_objects
from napari_sam_onnx.plugin.layers.preview import Shown
from napari_sam_onnx.plugin.picture.plane import box_corners
from napari_sam_onnx.plugin.session.advice import is_doubtful
from napari_sam_onnx.plugin.session.answers import AnswerBook, rank
from napari_sam_onnx.plugin.session.engine import Request
from napari_sam_onnx.plugin.session.lanes import Job
from napari_sam_onnx.prompting.style import Style
from napari_sam_onnx.prompts import PromptError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.layers.snapshot import Snapshot
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.session.answers import Answer
    from napari_sam_onnx.plugin.session.scene import Scene
    from napari_sam_onnx.prompts import Prompts

    Fit = Callable[[Sequence[Mask], Plane], Sequence[Fitted]]
    Paint = Callable[[Sequence[Fitted], Plane], Sequence[Tint]]
    Find = Callable[[], tuple[list[Shown], Plane] | None]


class Dialogue:
    """Asks a model about a scene's prompts and draws its answers.

    Parameters
    ----------
    scene : Scene

    Attributes
    ----------
    request : Request or None
        What is asked.
    answers : tuple of Answer
        What was answered, one per object.
    fit : callable
        Says what of masks would be written.
    tint : callable
        Says in which colours.
    fitted : tuple of Fitted
        What of the answers would be written.
    style : Style
        How answers are taken.
    changed : Signal
        `answers` are others, or another candidate is chosen.
    loaded : Signal
        A model was loaded to answer.
    """

    changed = Signal()
    loaded = Signal()

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.request: Request | None = None
        self.answers: tuple[Answer, ...] = ()
        self.fit: Fit = fit_anywhere
        self.tint: Paint = tint_alike
        self.fitted: tuple[Fitted, ...] = ()
        self.style = Style()
        self._current = 0
        self._find_marked: Find | None = None
        self._book = AnswerBook()
        self._numbers = count(1)

    def clear(self) -> None:
        """Forget all answers: the picture is another one."""
        self._book.clear()
        self._find_marked = None
        self._show(())

    def forget(self) -> None:
        """Forget all answers and what was asked."""
        self.clear()
        self.request = None

    def refresh(self) -> None:
        """Ask again for what the current plane's prompts describe, or encode it ahead."""
        scene = self.scene
        before, self.request = self.request, None
        if scene.picture is None or scene.layers is None or scene.reader is None:
            self._show(())
        elif scene.plane is None or scene.prompts is None:
            self._show(())
            scene.advise()
        else:
            objects = split_objects(scene.prompts, scene.plane, scene.each_click)
            self.request = self.make_request(scene.plane, objects)
            self._point_at_edited(before, self.request)
            self._answer(self.request)

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
        if self.scene.layers is not None and not self.scene.layers.preview_seen:
            raise PromptError(
                f"“{self.scene.layers.preview.layer.name}” is hidden, so nobody sees what would be "
                "written; press “Click objects” to show it."
            )

    def fit_again(self) -> None:
        """Show anew what of the masks would be written: labels, target or rules have changed."""
        if self.answers and self.scene.plane is not None:
            before = self.fitted
            self._draw()
            if [fit.problem for fit in before] != [fit.problem for fit in self.fitted]:
                self.scene.advise()
        elif self._find_marked is not None:
            self._show_fitted()

    def draw_again(self) -> None:
        """Draw the same masks anew: their colours are others."""
        if self.fitted and len(self.fitted) == len(self.answers):
            self._show_fitted()

    def mark(self, find: Find | None) -> None:
        """Mark what a function finds, wherever it is by then, until an object is opened."""
        had, self._find_marked = self._find_marked, find
        if not self.answers and not (had is None and find is None):
            self._show_fitted()

    def show_mark(self) -> None:
        """Show what is marked where nothing is open, or nothing."""
        preview = None if self.scene.layers is None else self.scene.layers.preview
        found = None if self._find_marked is None else self._find_marked()
        if preview is not None:
            preview.clear() if found is None else preview.show(*found)

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
            self.scene.say("There is no mask yet; click on an object first.")
            return
        chosen = answer.next()
        if chosen.is_upscaled():
            self._exchange(answer, chosen)
            return
        job = Job(lambda: chosen.mask, lambda _: self._exchange(answer, chosen), self.scene.fail)
        self.scene.lane.submit(job)

    def adopt(self, mask: Mask) -> None:
        """Show a mask from elsewhere as the answer about the object that was edited last."""
        request = self.current_request
        if request is None:
            self.scene.say(
                "There are no prompts that this mask answers; click on an object.", "error"
            )
            return
        adopted = self._book.add(rank(request.place, request.prompts[0], mask))
        known = {answer.key: answer for answer in self.answers}
        self._show_known({**known, adopted.key: adopted})

    def learn(
        self, prompts: Snapshot, plane: Plane, boxes: Sequence[Any], masks: Sequence[Mask]
    ) -> None:
        """Take masks for the answers about boxes that are open, without asking."""
        request = self.make_request(plane, split_objects(prompts, plane, self.scene.each_click))
        found = {
            box_corners(box, plane).tobytes(): mask for box, mask in zip(boxes, masks, strict=True)
        }
        for asked in request.prompts:
            mask = None if asked.box is None else found.get(asked.box.tobytes())
            if mask is not None:
                self._book.add(rank(request.place, asked, mask))

    def invert(self) -> None:
        """Show what the mask of the object that was edited last leaves of the plane."""
        answer = self.answer
        if answer is None:
            self.scene.say("There is no mask yet; click on an object first.")
            return
        self.adopt(invert(answer.mask))

    def find(self, request: Request, prompts: Prompts) -> Answer | None:
        """Return what was answered lately to other prompts on the plane of a request, or None."""
        return self._book.find(replace(request, prompts=(prompts,)).keys[0])

    def answer_anew(self) -> None:
        """Forget the answers, which were given in another style, and ask again."""
        self.clear()
        self.refresh()

    # Requests

    def make_request(self, plane: Plane, objects: tuple[Prompts, ...]) -> Request:
        """Build a request about some objects of a plane."""
        assert self.scene.reader is not None
        return Request(
            next(self._numbers), self.scene.source, self.scene.reader, plane, objects, self.style
        )

    def ask(
        self,
        request: Request,
        done: Callable[[Request, list[Mask]], None],
        failed: Callable[[Exception], None],
        *,
        replaceable: bool = True,
    ) -> None:
        """Compute a request away from the interface."""
        loaded = self.scene.engine.loaded(request.source) is not None

        def answer(masks: list[Mask]) -> None:
            if not loaded:
                self.loaded.emit()
            done(request, masks)

        self.scene.lane.submit(
            Job(partial(self.scene.engine.answer, request), answer, failed, replaceable)
        )

    # Inside

    def _answer(self, request: Request) -> None:
        """Show the answers to a request: those that are known at once, then the others."""
        known = {answer.key: answer for answer in self.answers}
        for prompts, key in zip(request.prompts, request.keys, strict=True):
            if key not in known and (given := self._given(prompts)) is not None:
                known[key] = rank(request.place, prompts, given)
        found = [known.get(key) or self._book.find(key) for key in request.keys]
        asked = tuple(p for p, answer in zip(request.prompts, found, strict=True) if answer is None)
        before = tuple(self._find_refined(request, prompts) for prompts in asked)
        missing = tuple(
            prompts if earlier is None else replace(prompts, mask=earlier.mask.low_res)
            for prompts, earlier in zip(asked, before, strict=True)
        )
        if request.answerable and not missing:
            self._show_known({answer.key: answer for answer in found if answer is not None})
            return
        if not request.answerable:
            self._show(())
        if not self.scene.engine.ready(request):
            self.scene.advise()
        elif not request.answerable:
            self.scene.advise()
            return
        done = partial(self._on_answer, asked, before, known)
        self.ask(replace(request, prompts=missing), done, partial(self._on_failed, request))

    def _given(self, prompts: Prompts) -> Mask | None:
        """Return the mask of an object that was opened and not corrected yet."""
        if self.scene.prompts is None or self.scene.plane is None or len(prompts.points):
            return None
        correction = self.scene.prompts.correction_on(self.scene.plane)
        opened = correction is not None and prompts.mask is correction.mask.low_res
        return correction.mask if correction is not None and opened and prompts.mask else None

    def _on_failed(self, request: Request, error: Exception) -> None:
        """Say what went wrong with a request, unless a newer one was made meanwhile."""
        if self.request is not None and request.number == self.request.number:
            self.scene.fail(error)

    def _find_refined(self, request: Request, prompts: Prompts) -> Answer | None:
        """Find the answer that prompts add to, and so correct."""
        extended = (a for a in self.answers if a.is_extended_by(request.place, prompts))
        return next(extended, None)

    def _on_answer(
        self,
        asked: tuple[Prompts, ...],
        before: tuple[Answer | None, ...],
        known: dict[tuple[Any, ...], Answer],
        request: Request,
        masks: list[Mask],
    ) -> None:
        """Show an answer, unless a newer request was made meanwhile."""
        if self.request is None or request.number != self.request.number:
            return
        for prompts, earlier, mask in zip(asked, before, masks, strict=True):
            ranked = rank(request.place, prompts, mask, earlier, request.style)
            answer = self._book.add(ranked)
            known[answer.key] = answer
        self._show_known(known)

    def _show_known(self, known: dict[tuple[Any, ...], Answer]) -> None:
        """Show the answers about the open objects, of all that are known."""
        keys = self.request.keys if self.request is not None else ()
        found = [known.get(key) or self._book.find(key) for key in keys]
        self._show(tuple(answer for answer in found if answer is not None))
        self.scene.advise()

    def _show(self, answers: tuple[Answer, ...]) -> None:
        if not answers and not self.answers:
            return
        self.answers = answers
        if answers:
            self._find_marked = None
        self._draw()
        self.changed.emit()

    def _draw(self) -> None:
        """Draw what would be written; a mask that is refused is drawn as it is, as refused."""
        plane = self.scene.plane
        seen = self.answers if plane is not None else ()
        self.fitted = ()
        if seen and plane is not None:
            self.fitted = tuple(self.fit([answer.mask for answer in seen], plane))
        self._show_fitted()

    def _show_fitted(self) -> None:
        """Draw what was fitted last, in the colours that it will have."""
        layers, plane = self.scene.layers, self.scene.plane
        if layers is None or layers.preview.layer not in self.scene.viewer.layers:
            return
        if not self.fitted or plane is None:
            self.show_mark()
            return
        triples = zip(self.fitted, self.answers, self.tint(self.fitted, plane), strict=True)
        layers.preview.show(
            [Shown(fit.mask, _look(fit, a.mask), tint) for fit, a, tint in triples], plane
        )

    def _exchange(self, old: Answer, new: Answer) -> None:
        """Show another candidate, where its object is still the one that is shown."""
        if any(answer is old for answer in self.answers):
            self._book.add(new)
            self._show(tuple(new if answer is old else answer for answer in self.answers))
            self.scene.advise()

    def _point_at_edited(self, before: Request | None, now: Request) -> None:
        """Make the object that has changed the current one."""
        old = set(before.keys) if before is not None else set()
        new = [i for i, key in enumerate(now.keys) if key not in old]
        self._current = new[-1] if new else max(0, min(self._current, len(now.prompts) - 1))


def _look(fit: Fitted, mask: Mask) -> Literal["sure", "doubtful", "refused"]:
    if fit.problem:
        return "refused"
    return "doubtful" if is_doubtful(mask) else "sure"


def fit_anywhere(masks: Sequence[Mask], plane: Plane) -> Sequence[Fitted]:
    """Fit masks where there are no labels yet."""
    return fit_masks(None, masks)


def tint_alike(fitted: Sequence[Fitted], plane: Plane) -> Sequence[Tint]:
    """Show all objects alike where nobody says what their labels will be."""
    return [Tint()] * len(fitted)
