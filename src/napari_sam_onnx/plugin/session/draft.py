"""What is being drawn and is no prompt yet: a box, a stroke, a place that waits for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.plugin.picture.plane import box_vertices, from_plane, plane_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from napari_sam_onnx.plugin.session.scene import Scene


class Draft:
    """Shows beside the open prompts what may become one.

    Parameters
    ----------
    scene : Scene
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def show_box(self, corners: ArrayLike) -> None:
        """Show a box ``(y0, x0, y1, x1)`` of the plane while it is being drawn."""
        scene = self._scene
        if scene.layers is not None and scene.plane is not None and scene.prompts is not None:
            scene.layers.draft_box(box_vertices(corners, scene.plane), scene.prompts)

    def show_stroke(self, places: Sequence[tuple[float, float]], closed: bool = False) -> None:
        """Show a stroke through places ``(y, x)`` of the plane while it is being drawn."""
        scene = self._scene
        if scene.layers is not None and scene.plane is not None and scene.prompts is not None:
            scene.layers.draft_stroke(from_plane(places, scene.plane), scene.prompts, closed)

    def show_cross(self, place: tuple[float, float]) -> None:
        """Show a place ``(y, x)`` of the plane that something else is waited for with."""
        scene = self._scene
        if scene.picture is not None and scene.plane is not None:
            y, x = place
            arm = max(1.0, max(plane_shape(scene.picture.shape, scene.plane)) / 150)
            cross = [(y - arm, x - arm), (y + arm, x + arm), (y, x), (y - arm, x + arm)]
            self.show_stroke([*cross, (y + arm, x - arm)])

    def drop(self) -> None:
        """Take back what was begun and not drawn to its end."""
        scene = self._scene
        if scene.layers is not None and scene.prompts is not None:
            scene.layers.write(scene.prompts)
