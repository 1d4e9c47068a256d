"""What a click or a stroke on the canvas means while something else than points is asked for.

A gesture is asked for by a key or a button, is shown in the dock, and ends when it is done, when it
is asked for again, and with Esc. Meanwhile no point is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.session.session import Session

    Place = tuple[float, float]

# Shorter movements between press and release are a click; napari's own points use the same.
DRAG_PIXELS = 5


def is_drag(event: Any, pressed: NDArray[np.generic]) -> bool:
    """Whether the mouse is so far from where it was pressed (x, y) that this is no click."""
    return bool(np.linalg.norm(np.array(event.pos) - pressed) >= DRAG_PIXELS)


@dataclass(frozen=True, slots=True)
class Gesture:
    """What is done with the next clicks and strokes.

    Parameters
    ----------
    name : str
        Identifies it.
    hint : str
        What to do, in one sentence.
    on_click : callable
        Called with ``(y, x)`` on the plane; whether the gesture is done.
    on_stroke : callable
        Called with the places that a drag went over; whether the gesture is done.
    closed : bool
        Whether a stroke is drawn as an outline.
    lasting : bool
        Whether it goes on when something else is done meanwhile.
    """

    name: str
    hint: str
    on_click: Callable[[Place], bool]
    on_stroke: Callable[[list[Place]], bool]
    closed: bool = False
    lasting: bool = False


class Gestures:
    """Which gesture the next clicks and strokes belong to.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    changed : Signal
        Another gesture is asked for, or none any more.
    begun : Signal
        One is asked for.
    """

    changed = Signal()
    begun = Signal()

    def __init__(self, session: Session) -> None:
        self.session = session
        self.current: Gesture | None = None
        session.picture_changed.connect(self.end)

    def begin(self, gesture: Gesture) -> None:
        """Ask for a gesture, or leave it where it is asked for already."""
        again = self.current is not None and self.current.name == gesture.name
        self.end()
        if again or self.session.layers is None or self.session.plane is None:
            self.session.advise()
            return
        self.session.layers.activate()
        self.session.layers.hold(True)
        self.current = gesture
        self.begun.emit()
        self.session.say(gesture.hint)
        self.changed.emit()

    def end(self) -> bool:
        """Let clicks be points again; whether a gesture was left for that."""
        if self.current is None:
            return False
        self.current = None
        if self.session.layers is not None:
            self.session.layers.hold(False)
            self.session.draft.drop()
        self.changed.emit()
        return True

    def interrupt(self) -> None:
        """Let clicks be points again where something else was done, unless the gesture lasts."""
        if self.current is not None and not self.current.lasting:
            self._finish()

    def click(self, place: Place) -> None:
        """Take a click."""
        if self.current is not None and self.current.on_click(place):
            self._finish()

    def stroke(self, places: list[Place]) -> None:
        """Take a stroke."""
        if self.current is None:
            return
        self.session.draft.drop()
        if self.current.on_stroke(places):
            self._finish()

    def _finish(self) -> None:
        """Let clicks be points again; what the gesture said stays to be read."""
        said = self.session.status
        self.end()
        self.session.say(said.text, said.kind)
