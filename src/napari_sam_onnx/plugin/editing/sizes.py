"""How large objects are: drawn across one of them, or taken from those that are labelled."""

from __future__ import annotations

from math import dist
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_sam_onnx.labels.linking import measure_areas
from napari_sam_onnx.plugin.editing.gestures import Gesture
from napari_sam_onnx.plugin.layers.labels import TargetError, read_plane

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.commits.label_target import LabelTarget
    from napari_sam_onnx.plugin.editing.gestures import Gestures

HINT = "Drag across an object of typical size, from edge to edge."
SHORTEST = 2.0
"""Pixels below which a stroke is no measure."""


class Sizes:
    """Finds the diameter of typical objects.

    Parameters
    ----------
    gestures : Gestures
    labels : LabelTarget
        Which labels are meant.

    Attributes
    ----------
    found : Signal
        A diameter, in pixels of the plane.
    """

    found = Signal(float)

    def __init__(self, gestures: Gestures, labels: LabelTarget) -> None:
        self.gestures, self.session, self._labels = gestures, gestures.session, labels

    def draw(self) -> None:
        """Let the next stroke say how large an object is."""
        self.gestures.begin(Gesture("size", HINT, self._refuse, self._measure))

    def take_from_labels(self) -> None:
        """Take the median diameter of the objects on this plane."""
        layer, plane = self._labels.layer, self.session.plane
        if layer is None or plane is None:
            self.session.say("Choose labels first, or accept an object.", "error")
            return
        labels = np.asarray(read_plane(layer, plane))
        ids, areas = measure_areas(labels)
        if not len(ids):
            self.session.fail(TargetError(f"“{layer.name}” has no object on this plane."))
            return
        diameter = float(np.median(np.sqrt(4 / np.pi * areas)))
        self._tell(diameter, f"the median of {len(ids)} object{'s' * (len(ids) != 1)}")

    def _refuse(self, _: tuple[float, float]) -> bool:
        self.session.say(HINT, "error")
        return False

    def _measure(self, places: list[tuple[float, float]]) -> bool:
        length = dist(places[0], places[-1])
        if length < SHORTEST:
            return self._refuse(places[0])
        self._tell(length, "as drawn")
        return True

    def _tell(self, diameter: float, whence: str) -> None:
        self.found.emit(round(diameter, 1))
        self.session.say(f"Object diameter {diameter:.1f} px, {whence}.", "ready")
