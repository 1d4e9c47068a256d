"""The layers over a picture: points, boxes and the preview. Made, marked, written, removed.

Each takes over the picture's geometry, so that a click means the pixel under it.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points, Shapes
from napari.utils.colormaps.standardize_color import transform_color
from qtpy.QtCore import QTimer

from napari_sam_onnx.plugin.layers.preview import Preview
from napari_sam_onnx.plugin.layers.snapshot import Snapshot
from napari_sam_onnx.plugin.picture.geometry import MARK, geometry_of, is_channel
from napari_sam_onnx.plugin.picture.shown import layer_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.picture.picture import Picture

SIGN = "positive"

# Readable by the colour-blind: the two signs differ in hue, in lightness and in symbol.
POSITIVE_COLOR = "#2ee66b"
NEGATIVE_COLOR = "#ff3b3b"
BOX_COLOR = "#2ee66b"
STROKE_COLOR = "#ffd500"


class PromptLayers:
    """The points, the boxes and the preview over one picture.

    Parameters
    ----------
    viewer : napari ViewerModel
    picture : Picture
        What the layers lie on.
    edited : callable
        Called without arguments after the user changed the prompts, by whatever means.
    turned : callable
        Called without arguments after a layer's mode was changed, or it was shown or hidden.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        picture: Picture,
        edited: Callable[[], None],
        turned: Callable[[], None],
    ) -> None:
        self._viewer, self._picture, self._edited, self._turned = viewer, picture, edited, turned
        self._quiet = self._held = False
        geometry, ndim = geometry_of(picture), picture.main.ndim
        self.preview = Preview(picture)
        self.boxes = Shapes(
            ndim=ndim,
            name="SAM boxes",
            edge_color=BOX_COLOR,
            face_color="transparent",
            edge_width=_line_width(picture),
            metadata={MARK: {"role": "boxes"}},
            **geometry,
        )
        self.points = Points(
            ndim=ndim,
            name="SAM points",
            features={SIGN: np.zeros(0, bool)},
            size=max(layer_shape(picture.main)[-2:]) / 150,
            canvas_size_limits=(6, 16),  # seen from afar, and smaller than a small nucleus
            metadata={MARK: {"role": "points"}},
            **geometry,
        )
        self.points.feature_defaults = {SIGN: [True]}
        for layer in self.all:
            viewer.add_layer(layer)
        self.points.mode = "add"
        self.boxes.mode = "add_rectangle"
        for emitter, callback in self._watched():
            emitter.connect(callback)

    @property
    def all(self) -> tuple[Layer, Layer, Layer]:
        """Our layers from the lowest to the highest."""
        return self.preview.layer, self.boxes, self.points

    @property
    def present(self) -> bool:
        """Whether the user has left all of them in the viewer."""
        return all(layer in self._viewer.layers for layer in self.all)

    @property
    def active(self) -> bool:
        """Whether the keys and clicks of the user go to our layers."""
        return self._viewer.layers.selection.active in (self.points, self.boxes)

    @property
    def preview_seen(self) -> bool:
        """Whether the user sees the preview, as far as its layer says."""
        layer = self.preview.layer
        return layer in self._viewer.layers and bool(layer.visible) and layer.opacity > 0

    def activate(self) -> None:
        """Send the user's keys and clicks to the points, and show them and the preview."""
        for layer in self.all:
            layer.visible = True
        if self.preview.layer.opacity <= 0:
            self.preview.layer.opacity = 1.0
        self._viewer.layers.selection.active = self.points
        self.points.mode = "add"

    def hold(self, on: bool) -> None:
        """Let clicks add no points for a while: they mean something else."""
        if on != self._held:
            self._held = on
            self.points.mode = "pan_zoom" if on else "add"
            self.points.mouse_pan = not on  # a stroke does not move the picture

    def resume(self) -> None:
        """Take clicks again after the 3-D view, in which napari gives them to the camera."""
        if self._viewer.layers.selection.active is self.points and not self._held:
            self.points.mode = "add"

    def explain_sleep(self) -> str:
        """Say why clicks and keys do not come here; "" where they do."""
        again = "press “Click objects” to go on"
        active = self._viewer.layers.selection.active
        if not self.present:
            return "A prompt layer was removed; press “Click objects” to get it back."
        if active is None:
            return f"No layer is selected, so clicks and keys go nowhere; {again}."
        if is_channel(active, self._picture):
            return f"“{active.name}” is selected, so keys go to it; click on it or {again}."
        if active is not self.points and active is not self.boxes:
            return f"“{active.name}” is selected, so clicks and keys go to it; {again}."
        if not active.visible:
            return f"“{active.name}” is hidden, so clicks do nothing; {again}."
        if not str(active.mode).startswith("add") and not (self._held and active is self.points):
            return f"“{active.name}” is in {active.mode} mode, so clicks add nothing; {again}."
        if not self.preview_seen:
            return f"“{self.preview.layer.name}” is hidden, so masks are not seen; {again}."
        return ""

    def stay_on_top(self) -> None:
        """Lift our layers above all others where another one came to lie on them."""
        layers = self._viewer.layers
        ours = [layer for layer in self.all if layer in layers]
        if list(layers[-len(ours) :]) == ours:
            return
        selected = set(layers.selection), layers.selection.active
        for layer in ours:
            layers.move(layers.index(layer), len(layers))
        if selected[1] is not None and layers.selection.active is not selected[1]:
            layers.selection = selected[0]
            layers.selection.active = selected[1]

    def detach(self, soon: bool = False) -> None:
        """Undo what the constructor did.

        Parameters
        ----------
        soon : bool
            Whether they go a turn later: napari removes a selection layer by layer, and fails
            where one of them has gone meanwhile.
        """
        for emitter, callback in self._watched():
            emitter.disconnect(callback)
        if soon:
            QTimer.singleShot(0, partial(self._remove, self.all))
        else:
            self._remove(self.all)

    def _remove(self, ours: Iterable[Layer]) -> None:
        for layer in ours:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def set_next_sign(self, positive: bool) -> None:
        """Decide what the next click means; no point that exists changes."""
        self.points.selected_data = set()
        self.points.feature_defaults = {SIGN: [positive]}
        # The new point is then right at once, and `_restyle` has nothing to draw again.
        self.points.current_symbol = _symbol(positive)
        self.points.current_face_color = _color(positive)
        self.points.current_border_color = _color(positive)

    def read(self) -> Snapshot:
        """Return all open prompts."""
        return Snapshot(
            np.array(self.points.data, dtype=float).reshape(-1, self.points.ndim),
            np.array(self.points.features[SIGN], dtype=bool),
            tuple(np.array(vertices, dtype=float) for vertices in self.boxes.data),
        )

    def write(self, prompts: Snapshot) -> None:
        """Replace all open prompts, without calling it an edit of the user's."""
        with self.quiet():
            self.points.selected_data = set()
            self.points.data = prompts.points
            self.points.features = {SIGN: prompts.positive}
            self.points.feature_defaults = {SIGN: [True]}
            self._restyle()
            self._write_boxes(prompts.boxes)

    def draft_box(self, vertices: NDArray[np.float64], kept: Snapshot) -> None:
        """Show a box that is being drawn, beside the boxes of a snapshot."""
        with self.quiet():
            self._write_boxes((*kept.boxes, vertices))

    def draft_stroke(self, vertices: NDArray[np.float64], kept: Snapshot, closed: bool) -> None:
        """Show a stroke that is being drawn, beside the boxes of a snapshot."""
        with self.quiet():
            self._write_boxes(kept.boxes)
            self.boxes.add(
                [vertices],
                shape_type="polygon" if closed and len(vertices) > 2 else "path",
                edge_width=_line_width(self._picture),
                edge_color=STROKE_COLOR,
                face_color="transparent",
            )

    def refit(self, picture: Picture) -> None:
        """Follow the picture where the user moved, turned or scaled it."""
        self._picture = picture
        geometry = geometry_of(picture)
        self.preview.refit(picture)
        for layer in (self.boxes, self.points):
            for name, value in geometry.items():
                setattr(layer, name, value)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Write without reporting it as an edit of the user's."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _watched(self) -> list[tuple[Any, Callable[..., None]]]:
        watched: list[tuple[Any, Callable[..., None]]] = [
            (self.boxes.events.data, self._on_data),
            (self.points.events.data, self._on_data),
            (self.points.events.features, self._deselect),
            (self.boxes.events.mode, self._on_turned),
            (self.points.events.mode, self._on_turned),
            (self.preview.layer.events.opacity, self._on_turned),
        ]
        return watched + [(layer.events.visible, self._on_turned) for layer in self.all]

    def _on_turned(self, *_: Any) -> None:
        self._turned()

    def _on_data(self, event: Any) -> None:
        if self._quiet or str(getattr(event, "action", "")).lower() not in _PAST:
            return
        with self.quiet():
            self._restyle()
        self._edited()

    def _deselect(self, *_: Any) -> None:
        """Show a new point in its own colour: napari selects it, which paints it over."""
        if self.points.mode == "add" and self.points.selected_data:
            self.points.selected_data = set()

    def _restyle(self) -> None:
        """Colour and symbol follow the sign, however a point came to be."""
        signs = np.array(self.points.features[SIGN], dtype=bool)
        symbols = [_symbol(sign) for sign in signs]
        colors = transform_color([_color(sign) for sign in signs]) if signs.size else None
        if [str(symbol) for symbol in self.points.symbol] != symbols:
            self.points.symbol = symbols
        if colors is not None and not np.allclose(self.points.face_color, colors):
            # One colour for both: a border does not keep its width when one zooms.
            self.points.face_color = colors
            self.points.border_color = colors

    def _write_boxes(self, boxes: tuple[NDArray[np.float64], ...]) -> None:
        if len(boxes) == len(self.boxes.data) and all(map(np.array_equal, boxes, self.boxes.data)):
            return
        self.boxes.selected_data = set()
        self.boxes.data = []
        if boxes:
            self.boxes.add(
                list(boxes),
                shape_type=["rectangle" if len(box) == 4 else "polygon" for box in boxes],
                edge_width=_line_width(self._picture),
                edge_color=BOX_COLOR,
                face_color="transparent",
            )


def _symbol(positive: bool) -> str:
    return "disc" if positive else "cross"


def _color(positive: bool) -> str:
    return POSITIVE_COLOR if positive else NEGATIVE_COLOR


def _line_width(picture: Picture) -> float:
    """Return a width in pixels of the picture that is seen at the first zoom."""
    return max(0.5, max(layer_shape(picture.main)[-2:]) / 400)


_PAST = ("added", "changed", "removed")


def insert_under_prompts(viewer: ViewerModel, prompts: PromptLayers | None, layer: Layer) -> None:
    """Put a layer under the prompts and leave the user's selection as it is."""
    active = viewer.layers.selection.active
    # napari draws a new layer again with each change of the selection; a large one takes long
    visible, layer.visible = layer.visible, False
    if prompts is not None and prompts.preview.layer in viewer.layers:
        viewer.layers.insert(viewer.layers.index(prompts.preview.layer), layer)
    else:
        viewer.add_layer(layer)
    if active is not None:
        viewer.layers.selection.active = active
    layer.visible = visible
