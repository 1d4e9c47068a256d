"""What the parts of a session read of it, and what they may ask it to do.

They know this and not the session, which is made of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image
    from psygnal import SignalInstance

    from napari_sam_onnx.labels.fitting import Fitted
    from napari_sam_onnx.plugin.layers.prompts import PromptLayers
    from napari_sam_onnx.plugin.layers.snapshot import Snapshot
    from napari_sam_onnx.plugin.picture.picture import Picture
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.picture.reader import Reader
    from napari_sam_onnx.plugin.session.answers import Answer
    from napari_sam_onnx.plugin.session.engine import Engine, Request
    from napari_sam_onnx.plugin.session.lanes import Lane


class Scene(Protocol):
    """What is looked at and clicked: the viewer, the picture, its plane, the open prompts."""

    viewer: ViewerModel
    engine: Engine
    lane: Lane
    source: Any
    picture: Picture | None
    layers: PromptLayers | None
    plane: Plane | None
    each_click: bool

    @property
    def prompts(self) -> Snapshot | None:
        """All open prompts."""

    @property
    def reader(self) -> Reader | None:
        """The picture as workers read it."""

    def say(self, text: str, kind: Any = "info") -> None:
        """Show a sentence."""

    def fail(self, error: Exception) -> None:
        """Say what went wrong."""

    def advise(self) -> None:
        """Say how things stand."""


class Asked(Scene, Protocol):
    """A scene whose objects were asked about."""

    @property
    def request(self) -> Request | None:
        """What is asked."""

    @property
    def answers(self) -> Sequence[Answer]:
        """What a model said."""

    @property
    def fitted(self) -> Sequence[Fitted]:
        """What would be written."""


class Watched(Scene, Protocol):
    """A scene that follows what happens in the viewer."""

    @property
    def removed(self) -> SignalInstance:
        """Emits a layer that left the viewer."""

    @property
    def layers_changed(self) -> SignalInstance:
        """Emits where layers, their names or the selection are others."""

    @property
    def picture_changed(self) -> SignalInstance:
        """Emits where the picture is another."""

    def choose_layer(self, layer: Image | None) -> None:
        """Take another picture."""

    def follow(self) -> None:
        """Take over the plane that the viewer shows."""

    def renew(self) -> None:
        """Read the picture afresh."""

    def let_go(self, soon: bool = False) -> None:
        """Take no picture."""
