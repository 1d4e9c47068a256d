"""Whether the objects that are accepted are too small for the scale at which the model sees them.

(Objects too large for it need no advice: a doubtful answer is asked again in smaller looks, and on
large planes every look fits its object.)
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.plugin.picture.plane import plane_shape
from napari_sam_onnx.prompting.near import is_large

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.editing.styles import Styles
    from napari_sam_onnx.plugin.session.engine import Request

SMALL = 16.0
"""Diameter in pixels of the encoder's input below which objects are seen badly."""

ENOUGH = 3
"""So many objects say how large they are."""

KEPT = 9


class ScaleAdviser:
    """Says what diameter clicks had better be answered for.

    Parameters
    ----------
    commits : Commits
    styles : Styles
        Know whether a diameter is set already.

    Attributes
    ----------
    changed : Signal
        `diameter` is another.
    diameter : float
        Of the objects accepted last, in pixels of the plane; 0 where nothing is advised.
    seen : float
        The same in pixels of the encoder's input.
    """

    changed = Signal()

    def __init__(self, commits: Commits, styles: Styles) -> None:
        self.session, self.styles = commits.session, styles
        self.diameter = self.seen = 0.0
        self._sizes: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self._about: Any = None
        self._left = False
        commits.accepted.connect(self._on_accepted)
        styles.changed.connect(self._advise)
        self.session.model_changed.connect(self._forget)
        self.session.detached.connect(self._forget)

    def leave(self) -> None:
        """Advise nothing any more about this picture with this model."""
        self._left = True
        self._advise()

    def _forget(self) -> None:
        self._sizes.clear()
        self._left = False
        self._advise()

    def _on_accepted(self, request: Request, masks: Sequence[Mask]) -> None:
        scale = self.session.engine.scale_of(request)
        if scale is None or is_large(plane_shape(request.reader.shape, request.plane)):
            return
        for mask in masks:
            diameter = 2 * float(np.sqrt(mask.area / np.pi))
            self._sizes.append((diameter, diameter * scale))
        self._advise()

    def _advise(self) -> None:
        before, self.diameter = self.diameter, 0.0
        if len(self._sizes) >= ENOUGH and not self._left and not self.styles.diameter:
            diameter, seen = np.median(np.array(self._sizes), axis=0)
            if seen < SMALL:
                self.diameter, self.seen = round(float(diameter), 1), float(seen)
        if self.diameter != before:
            self.changed.emit()
