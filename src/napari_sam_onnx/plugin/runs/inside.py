"""All objects inside a box or a lasso: found at once, shown together, written by N.

Each becomes a box with its mask as the answer, so that a click corrects one, Esc discards all, and
a box that is deleted leaves its object out.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.automatic.inside import iterate_inside
from napari_sam_onnx.plugin.editing.freehand import thin
from napari_sam_onnx.plugin.editing.gestures import Gesture
from napari_sam_onnx.plugin.layers.labels import LabelledPlane, can_be_target
from napari_sam_onnx.plugin.picture.plane import box_corners, lie_on_plane, plane_shape

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.editing.gestures import Gestures, Place
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.runs.work import Work
    from napari_sam_onnx.plugin.session.engine import Request

MOST = 200
"""More objects than this are for automatic masks, which paint them at once."""

HINT = "All inside: draw around several objects; they are found, and N accepts all of them."


class Inside:
    """Looks for all objects inside what is drawn.

    Parameters
    ----------
    commits : Commits
    gestures : Gestures
    work : Work
        What runs, one at a time: that of automatic masks.

    Attributes
    ----------
    changed : Signal
        It was asked for, or it ended.
    """

    changed = Signal()

    def __init__(self, commits: Commits, gestures: Gestures, work: Work) -> None:
        self.commits, self.gestures, self.work = commits, gestures, work
        self.session = commits.session
        self._asked: Request | None = None

    def ask(self) -> None:
        """Look inside the box that was drawn last, or let the next stroke say where."""
        session, plane = self.session, self.session.plane
        if session.prompts is None or plane is None:
            session.say("Open a picture and show one of its planes in 2D first.", "error")
            return
        boxes = [box for box in session.prompts.boxes if lie_on_plane(box, plane).all()]
        if not boxes or len(session.answers) > 1:
            self.gestures.begin(Gesture("inside", HINT, self._refuse, self._take, closed=True))
            return
        y0, x0, y1, x1 = box_corners(boxes[-1], plane)
        self._start(np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]))

    def _refuse(self, _: Place) -> bool:
        self.session.say("Hold the button down and draw around the objects.")
        return False

    def _take(self, places: list[Place]) -> bool:
        outline = thin(places)
        if len(outline) < 3 or np.ptp(outline, axis=0).min() < 2:
            self.session.say("Draw around the objects, not across them.")
            return False
        self._start(outline)
        return True

    def _start(self, outline: NDArray[np.float64]) -> None:
        session = self.session
        reader, plane = session.reader, session.plane
        if reader is None or plane is None:
            return
        if self.work.busy:
            session.say("Something else is running; cancel it first.", "error")
            return
        request = self._asked = session.dialogue.make_request(plane, ())
        layer, picture = self.commits.labels.layer, session.picture
        fits = layer is not None and picture is not None and can_be_target(layer, picture)
        existing = LabelledPlane(layer, plane).__getitem__ if fits and layer is not None else None
        steps = self._iterate(request, outline, existing)
        session.say("Looking for objects inside …", "busy")
        step, ended = partial(self._on_step, request), partial(self._on_ended, request)
        self.work.start(steps, "Objects inside", "Looking inside …", step, ended)

    def _iterate(
        self, request: Request, outline: NDArray[np.float64], existing: Any
    ) -> Generator[Any, None, None]:
        """Run in the worker."""
        engine, reader, plane = self.session.engine, request.reader, request.plane
        shape = plane_shape(reader.shape, plane)
        with engine.use(request.source) as model:
            read = partial(reader.read, plane)
            masks = yield from iterate_inside(read, shape, model, outline, existing, engine.cache)
        yield masks

    def _on_step(self, request: Request, step: Any) -> None:
        if isinstance(step, list):
            self._show(request, step)
        elif step.total:
            self.work.tell("Looking inside …", step.done / step.total)

    def _show(self, request: Request, masks: list[Mask]) -> None:
        """Open what was found, where the same plane is still looked at."""
        session = self.session
        if self.work.stopped or request is not self._asked:
            return
        here = session.reader is request.reader and session.plane == request.plane
        if not here or session.source != request.source:
            session.say("Another plane is shown now; what was found is not.")
        elif not masks:
            session.say("No new object was found inside.")
        elif len(masks) > MOST:
            session.say(
                f"{len(masks):,} objects are inside: run automatic masks there, under “Size, place "
                "and presets”.",
                "error",
            )
        else:
            open_found(self.commits, request.plane, masks)

    def _on_ended(self, request: Request, error: Exception | None) -> None:
        if error is not None:
            self.session.fail(error)
        elif self.work.stopped:
            self.session.say("Looking inside was cancelled.")
        if self._asked is request:
            self._asked = None
        self.changed.emit()


def open_found(commits: Commits, plane: Plane, masks: list[Mask]) -> None:
    """Open masks as objects of a plane, instead of what is open there: one step to undo."""
    session = commits.session
    boxes = []
    for mask in masks:
        y0, x0, y1, x1 = mask.bbox
        boxes.append((float(y0), float(x0), float(y1 - 1), float(x1 - 1)))
    session.open_answered(boxes, masks)
