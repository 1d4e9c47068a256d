"""What happens in the viewer, told to the session: planes, layers, pixels, contrast, selection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from napari.layers import Image
from qtpy.QtCore import QTimer

from napari_sam_onnx.labels.likely import look_like_labels
from napari_sam_onnx.plugin.layers.labels import let_go_of_drawing
from napari_sam_onnx.plugin.layers.snapshot import is_empty
from napari_sam_onnx.plugin.picture.geometry import is_channel, role_of
from napari_sam_onnx.plugin.picture.picture import content_of
from napari_sam_onnx.plugin.picture.sliders import find_shown_plane

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_onnx.plugin.picture.picture import Picture
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.session.scene import Watched


class Watcher:
    """Connects a session to its viewer, and to the layers of the picture that is asked.

    Parameters
    ----------
    session : Watched
    calm : callable
        See `Session`.
    """

    def __init__(
        self, session: Watched, calm: Callable[[Callable[[], None]], Callable[[], None]]
    ) -> None:
        self.session = session
        self._content: tuple[Any, ...] | None = None
        self._view: tuple[Any, ...] = ()
        self._picture_watched: list[tuple[Any, Callable[..., None]]] = []
        self._undrawn: WeakSet[Any] = WeakSet()
        self._renew_calmly = calm(session.renew)
        viewer = session.viewer
        dims, layers = viewer.dims.events, viewer.layers.events
        moves = (dims.current_step, dims.order, dims.ndisplay, dims.margin_left, dims.margin_right)
        self._watched = (
            *((emitter, session.follow) for emitter in moves),
            (dims.ndisplay, self._on_turned_flat),
            (layers.removed, self._on_removed),
            (layers.inserted, self._on_inserted),
            (viewer.layers.selection.events.active, self._on_selection),
        )
        for emitter, callback in self._watched:
            # after the viewer's own callbacks, which place and select a new layer
            emitter.connect(callback, position="last")
        for layer in viewer.layers:
            layer.events.name.connect(self._on_renamed)

    def close(self) -> None:
        """Leave the viewer."""
        self.leave()
        for emitter, callback in self._watched:
            emitter.disconnect(callback)
        for layer in self.session.viewer.layers:
            layer.events.name.disconnect(self._on_renamed)

    def watch(self, picture: Picture) -> None:
        """Follow what happens to the layers of a picture, and leave those of the one before."""
        self.leave()
        layers = picture.layers
        events: list[tuple[Any, Callable[..., None]]] = []
        events += [(layer.events.data, self._on_pixels) for layer in layers]
        events += [(layer.events.projection_mode, self.session.renew) for layer in layers]
        events += [(layer.events.set_data, self._on_refreshed) for layer in layers]
        if picture.as_shown:
            names = ["contrast_limits", "gamma", "colormap"]
            names += ["opacity"] if picture.channels else []
            events += [
                (getattr(layer.events, name), self._on_contrast)
                for layer in layers
                for name in names
            ]
        placed = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        events += [(getattr(picture.main.events, name), self._on_moved) for name in placed]
        self._picture_watched = events
        for emitter, callback in events:
            emitter.connect(callback)

    def leave(self) -> None:
        """Let go of the picture's layers."""
        for emitter, callback in self._picture_watched:
            emitter.disconnect(callback)
        self._picture_watched = []

    def remember(self, picture: Picture, plane: Plane | None) -> None:
        """Take the pixels of a plane as those that were read."""
        self._content = content_of(picture, plane)
        self._view = self._see(picture)

    def _see(self, picture: Picture) -> tuple[Any, ...]:
        """Identify which pixels of a picture the viewer shows, whatever they hold."""
        shown = tuple(
            (int(layer.data_level), layer.corner_pixels.tobytes()) for layer in picture.layers
        )
        return (*self.session.viewer.dims.point, *shown)

    def _on_turned_flat(self, *_: Any) -> None:
        session = self.session
        if session.viewer.dims.ndisplay == 2 and session.layers is not None:
            session.layers.resume()

    def _on_pixels(self, *_: Any) -> None:
        """Follow new data of the picture; another shape needs other layers."""
        session = self.session
        picture = session.picture
        if picture is None or session.layers is None:
            return
        if picture.shape != tuple(session.reader.shape if session.reader else picture.shape):
            session.let_go()
            session.choose_layer(picture.main)
        else:
            session.renew()

    def _on_refreshed(self, *_: Any) -> None:
        """Notice pixels that were changed in place: the layer shows its plane anew.

        A lazy layer is shown anew without being moved only where somebody asked for it; then its
        plane is read again in the worker, and encoded where it has changed.
        """
        session = self.session
        if session.picture is None:
            return
        last, plane = self._content, find_shown_plane(session.viewer, session.picture)
        view, self._view = self._view, self._see(session.picture)
        self._content = content_of(session.picture, plane)
        if self._content is None:
            if plane is not None and plane == session.plane and view == self._view:
                self._renew_calmly()
        elif last is not None and last[0] == self._content[0] and last != self._content:
            session.renew()

    def _on_contrast(self, *_: Any) -> None:
        """Follow the contrast when the user lets go of it: each step would encode the plane."""
        self._renew_calmly()

    def _on_moved(self, *_: Any) -> None:
        session = self.session
        if session.picture is not None and session.layers is not None:
            session.layers.refit(session.picture)
            session.follow()

    def _on_removed(self, event: Any) -> None:
        session = self.session
        layer = event.value
        layer.events.name.disconnect(self._on_renamed)
        if session.picture is not None and layer in session.picture.layers:
            name = layer.name
            session.let_go(soon=True)  # napari may be deleting all that is selected, one by one
            session.picture_changed.emit()
            session.say(f"“{name}” was removed; choose another picture. Labels are kept.")
        elif session.layers is not None and layer in session.layers.all:
            session.advise()
        session.removed.emit(layer)
        session.layers_changed.emit()
        if let_go_of_drawing(layer):  # all have heard of it
            self._undrawn.add(layer)

    def _on_inserted(self, event: Any) -> None:
        session = self.session
        layer = event.value
        layer.events.name.connect(self._on_renamed)
        if layer in self._undrawn:
            self._undrawn.discard(layer)
            layer.refresh()
        if session.layers is not None and layer not in session.layers.all:
            session.layers.stay_on_top()
            if session.picture is not None and is_channel(layer, session.picture):
                # napari opens the channels of a file one by one, and selects the last of them
                QTimer.singleShot(0, partial(self._wake, layer))
        session.layers_changed.emit()

    def _wake(self, layer: Any) -> None:
        """Send clicks to the prompts again where a channel that was opened took them."""
        session = self.session
        selected = session.viewer.layers.selection.active is layer
        if selected and session.layers is not None and session.layers.present:
            session.layers.activate()

    def _on_renamed(self, *_: Any) -> None:
        self.session.layers_changed.emit()

    def _on_selection(self, *_: Any) -> None:
        """Follow the picture that is opened or selected; say where clicks go now."""
        session = self.session
        selection = session.viewer.layers.selection
        layer = selection.active
        self._consider(layer)
        if layer is not None and selection.active is not layer:
            QTimer.singleShot(0, partial(self._tell_list, layer))
        session.layers_changed.emit()

    def _tell_list(self, layer: Any) -> None:
        """Tell napari's list that a layer is not selected any more.

        It marks the layer after we, told of it, have selected the prompts in its place.
        """
        layers = self.session.viewer.layers
        if layer in layers and layer not in layers.selection:
            layers.selection.events.changed(added=set(), removed={layer})

    def on_turned(self) -> None:
        """Say where clicks go after a prompt layer's mode was changed, or it was hidden."""
        session = self.session
        session.advise()
        session.layers_changed.emit()

    def _is_of(self, layer: Any) -> bool:
        """Whether a layer is one of the picture's own, or of its light."""
        return self.session.picture is not None and is_channel(layer, self.session.picture)

    def _consider(self, layer: Any) -> None:
        """Follow a picture that was opened or selected, unless another one has open prompts.

        A layer that is added to the picture's own light is one of its channels.
        """
        session = self.session
        picture = session.picture
        other = isinstance(layer, Image) and layer.visible and role_of(layer) is None
        if other and not layer.rgb and not self._is_of(layer) and look_like_labels(layer.data):
            session.say(
                f"“{layer.name}” looks like labels: right-click it in the list of layers ▸ Convert "
                "to Labels. If it is a picture, choose it under Image."
            )
        elif picture is None:
            if other:
                session.choose_layer(layer)
        elif not other or is_channel(layer, picture):
            session.advise()
        elif session.prompts is not None and not is_empty(session.prompts):
            session.say(
                f"“{picture.main.name}” is still asked, not “{layer.name}”: accept or discard its "
                "prompts, then select the other one."
            )
        else:
            session.choose_layer(layer)
