"""Strokes as prompts: a scribble becomes points along it, a lasso an outline to start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.plugin.editing.gestures import Gesture
from napari_sam_onnx.plugin.picture.plane import from_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.editing.gestures import Gestures, Place

POINTS = 5
"""A scribble becomes so many points, and fewer where it is short."""

APART = 4.0
"""Pixels of the plane that points along a scribble are apart at least."""

CORNERS = 40
"""A lasso keeps so many corners at most."""


class Freehand:
    """Asks for strokes, and makes prompts of them.

    Parameters
    ----------
    gestures : Gestures
    """

    def __init__(self, gestures: Gestures) -> None:
        self.gestures, self.session = gestures, gestures.session

    def scribble(self) -> None:
        """Let the next stroke become points on the object."""
        hint = "Scribble: draw along the object; it becomes points on it."
        self.gestures.begin(Gesture("scribble", hint, self._refuse, self._take_scribble))

    def lasso(self) -> None:
        """Let the next stroke become a rough outline of the object."""
        hint = "Lasso: draw roughly around the object; the model makes its outline exact."
        self.gestures.begin(Gesture("lasso", hint, self._refuse, self._take_lasso, closed=True))

    def _refuse(self, _: Place) -> bool:
        self.session.say("Hold the button down and draw.")
        return False

    def _take_scribble(self, places: list[Place]) -> bool:
        """Add points along a stroke, as one edit."""
        session = self.session
        if session.layers is None or session.plane is None:
            return True
        session.layers.set_next_sign(True)
        session.layers.points.add(from_plane(spread(places), session.plane))
        return True

    def _take_lasso(self, places: list[Place]) -> bool:
        session = self.session
        outline = thin(places)
        if len(outline) < 5 or np.ptp(outline, axis=0).min() < 2:
            session.say("Draw around the object, not across it.")
            return False
        session.add_outline(outline)
        return True


def spread(places: list[Place]) -> NDArray[np.float64]:
    """Choose places evenly along a stroke, ``(N, 2)``: its middle where it is short."""
    path = np.array(places, float)
    steps = np.hypot(*np.diff(path, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    count = int(min(POINTS, 1 + along[-1] // APART))
    at = along[-1] * (np.arange(count) + 0.5) / count
    return np.column_stack([np.interp(at, along, path[:, axis]) for axis in (0, 1)])


def thin(places: list[Place]) -> NDArray[np.float64]:
    """Keep corners of an outline that are evenly spread, ``(N, 2)``."""
    path: NDArray[np.float64] = np.array(places, float)
    path = path[np.concatenate([[True], (np.diff(path, axis=0) != 0).any(axis=1)])]
    if len(path) <= CORNERS:
        return path
    return np.asarray(path[np.linspace(0, len(path) - 1, CORNERS).round().astype(int)])
