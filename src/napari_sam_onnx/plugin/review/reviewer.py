"""Goes through the places of a queue: sliders, camera, selected label and a mark follow."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.plugin.layers.preview import Shown
from napari_sam_onnx.plugin.layers.ring import draw_ring
from napari_sam_onnx.plugin.picture.plane import from_plane, plane_shape, take_plane

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.review.places import Place, ReviewQueue
    from napari_sam_onnx.plugin.session.session import Session

MARGIN = 0.1
"""A place is in view where it keeps this part of the view from a border that cuts the picture."""
REACH = 512
"""An object is marked within so many pixels of its middle."""
SPOT = 60
"""A place without an object is marked by a circle so many times smaller than the plane."""


class Reviewer:
    """Shows the places of a queue in the viewer.

    Parameters
    ----------
    session : Session
    queue : ReviewQueue
    """

    def __init__(self, session: Session, queue: ReviewQueue) -> None:
        self.session, self.queue = session, queue
        session.removed.connect(queue.drop_layer)
        queue.changed.connect(self._forget_mark)

    def next(self) -> None:
        """Go to the next place."""
        self._walk(1)

    def previous(self) -> None:
        """Go back to the one before."""
        self._walk(-1)

    def go_to(self, place: Place) -> None:
        """Look at a place: show its plane, bring it into view, select its object."""
        self.queue.look_at(place)
        session = self.session
        self.show(place.layer, place.plane, place.center, place.label)
        number, count = self.queue.index + 1, len(self.queue.places)
        session.say(f"{number} of {count}: {place.reason}")

    def show(self, layer: Any, plane: Plane, center: tuple[float, float], label: int) -> None:
        """Show an object: its plane, its place, its outline, and its label as the selected one."""
        self.session.go_to(plane)
        self._bring_into_view(plane, center)
        if label and layer in self.session.viewer.layers:
            layer.selected_label = label
        seen = self.session.plane or plane
        self.session.dialogue.mark(partial(self._find_object, layer, seen, center, label))

    def _find_object(
        self, layer: Any, plane: Plane, center: tuple[float, float], label: int
    ) -> tuple[list[Shown], Plane] | None:
        """Draw a ring around an object as it is now, or where there is none and might be one."""
        picture = self.session.picture
        if picture is None or layer not in self.session.viewer.layers:
            return None
        shape = plane_shape(picture.shape, plane)
        if not label:
            return [Shown(draw_ring(_draw_disc(shape, center)))], plane
        labels = take_plane(layer.data, plane)
        if labels.shape != shape:
            return None
        top, left = (max(0, int(place) - REACH) for place in center)
        near = labels[top : top + 2 * REACH, left : left + 2 * REACH]
        return [Shown(draw_ring(Mask(shape, (top, left), np.asarray(near) == label)))], plane

    def _forget_mark(self) -> None:
        """Take the mark away where nothing is looked at any more."""
        if self.queue.current is None:
            self.session.dialogue.mark(None)

    def _walk(self, by: int) -> None:
        before = self.queue.current
        place = self.queue.step(by)
        if place is None:
            self.session.say("There is nothing to review.")
            return
        self.go_to(place)
        if place is before:
            end = "the last" if by > 0 else "the first"
            self.session.say(f"This is {end} place: {place.reason}")

    def _bring_into_view(self, plane: Plane, center: tuple[float, float]) -> None:
        """Move the camera where the place is out of view; what is in view stays where it is."""
        viewer, picture = self.session.viewer, self.session.picture
        if picture is None:
            return
        at = from_plane([center], plane)[0]
        low, high = (np.asarray(corner, float) for corner in picture.main.corner_pixels)
        shown = list(plane.axes)
        rim = MARGIN * (high - low)[shown]
        # where the view ends with the picture there is nothing more to see
        end = np.array(picture.shape, float)[shown] - 1
        least = np.where(low[shown] <= 0, -0.5, low[shown] + rim)
        most = np.where(high[shown] >= end, end + 0.5, high[shown] - rim)
        if (at[shown] >= least).all() and (at[shown] <= most).all():
            return
        world = np.asarray(picture.main.data_to_world(at), float)
        offset = viewer.dims.ndim - len(world)
        # napari before 0.9 has the camera itself
        camera: Any = getattr(viewer, "scene", viewer).camera
        moved = [float(c) for c in camera.center]
        displayed = viewer.dims.displayed
        for axis, place_in_view in zip(displayed, range(3 - len(displayed), 3), strict=True):
            moved[place_in_view] = float(world[axis - offset])
        camera.center = tuple(moved)


def _draw_disc(shape: tuple[int, int], center: tuple[float, float]) -> Mask:
    """Draw a disc around a place of a plane."""
    radius = max(3, max(shape) // SPOT)
    top, left = (max(0, int(place) - radius) for place in center)
    bottom, right = (int(place) + radius + 1 for place in center)
    rows, columns = np.ogrid[top : min(bottom, shape[0]), left : min(right, shape[1])]
    disc = (rows - center[0]) ** 2 + (columns - center[1]) ** 2 <= radius**2
    return Mask(shape, (top, left), disc)
