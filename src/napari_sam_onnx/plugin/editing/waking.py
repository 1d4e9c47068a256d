"""A click on the selected picture, or on a channel of it, is a click on an object.

Prompts have layers of their own, and napari gives clicks and keys to the layer that is selected. A
picture has no use for clicks: one on it is taken as a prompt, and gives keys back to the prompts.
Drags still move the camera.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.plugin.editing.gestures import is_drag
from napari_sam_onnx.plugin.picture.geometry import is_channel

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_sam_onnx.plugin.editing.gestures import Gestures
    from napari_sam_onnx.plugin.session.session import Session


class Waker:
    """Listens to clicks on the selected layer while it is the session's picture.

    Parameters
    ----------
    session : Session
    gestures : Gestures
        What a click means meanwhile.
    """

    def __init__(self, session: Session, gestures: Gestures) -> None:
        self.session, self.gestures = session, gestures
        self._layer: Any = None
        self._selected = session.viewer.layers.selection.events.active
        self._selected.connect(self._follow, position="last")
        session.picture_changed.connect(self._follow)
        self._follow()

    def close(self) -> None:
        """Listen no more."""
        self._selected.disconnect(self._follow)
        self.session.picture_changed.disconnect(self._follow)
        self._leave()

    def _follow(self, *_: Any) -> None:
        """Listen to the layer that is selected now, where it is the picture or a channel of it."""
        self._leave()
        layer, picture = self.session.viewer.layers.selection.active, self.session.picture
        if picture is not None and is_channel(layer, picture):
            self._layer = layer
            layer.mouse_drag_callbacks.append(self._press)

    def _leave(self) -> None:
        if self._layer is not None and self._press in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._press)
        self._layer = None

    def _press(self, layer: Any, event: Any) -> Generator[None, None, None]:
        """Take a press that is released at its place for a click."""
        layers = self.session.layers
        if layer.mode != "pan_zoom" or event.button not in (1, 2) or layers is None:
            return
        pressed = np.array(event.pos)
        positive = event.button == 1 and "Shift" not in event.modifiers
        yield
        while event.type == "mouse_move":
            if is_drag(event, pressed):
                return
            yield
        place = self.session.to_plane(event.position)
        if place is None or not layers.present:
            return
        layers.activate()
        if self.gestures.current is not None:
            self.gestures.click(place)
            return
        layers.set_next_sign(positive)
        layers.points.add(np.array(layers.points.world_to_data(event.position)))
