"""Results of runs: of those that lie over each other the newest, or the chosen one, is shown.

A result that a newer one does not take the place of, since somebody corrected it or wanted to keep
it, stays in the viewer; drawn beneath the other it would show two outlines of each object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
from napari.layers import Labels

from napari_sam_onnx.plugin.layers.labels import read_plane

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_onnx.plugin.commits.label_target import LabelTarget
    from napari_sam_onnx.plugin.picture.plane import Plane

QUICK_PIXELS = 16_000_000
"""Larger label images, and those not in memory, are compared on the plane that is shown alone."""

MUCH = 0.1
"""Part of what a result shows that another one may cover before both are no longer shown."""

COMPARED = 1024
"""Pixels along each side of a plane by which two results are compared; larger ones are thinned."""


class Results:
    """Knows which label images runs made.

    Parameters
    ----------
    labels : LabelTarget
        A result that is chosen there is shown.
    """

    def __init__(self, labels: LabelTarget) -> None:
        self._labels, self._session = labels, labels.session
        self._made: WeakSet[Labels] = WeakSet()
        self._target: Labels | None = None
        labels.changed.connect(self._follow)

    def take(self, layer: Labels) -> tuple[Labels, ...]:
        """Remember a result; return the earlier ones that were hidden for it."""
        hidden = self._hide_under(layer)
        self._made.add(layer)
        return hidden

    def close(self) -> None:
        """Follow nothing any more."""
        self._labels.changed.disconnect(self._follow)

    def _hide_under(self, layer: Labels) -> tuple[Labels, ...]:
        plane = self._session.plane
        hidden = [
            other
            for other in self._labels.fitting()
            if other is not layer
            and other in self._made
            and other.visible
            and plane is not None
            and _covers(layer, other, plane)
        ]
        for other in hidden:
            other.visible = False
        return tuple(hidden)

    def _follow(self) -> None:
        """Show a result that is chosen to be written to, in place of the one that hid it."""
        before, self._target = self._target, self._labels.layer
        layer = self._target
        if layer is None or layer is before or layer not in self._made or layer.visible:
            return
        self._hide_under(layer)
        layer.visible = True


def _covers(layer: Labels, other: Labels, plane: Plane) -> bool:
    """Whether a label image is drawn over much of what another one shows."""
    over, under = layer.data, other.data
    quick = all(isinstance(e, np.ndarray) and e.size <= QUICK_PIXELS for e in (over, under))
    if not quick or over.shape != under.shape:
        over, under = (read_plane(each, plane) for each in (layer, other))
    step = max(1, max(under.shape[-2:]) // COMPARED)
    over, under = (each[..., ::step, ::step] for each in (over, under))
    shared = np.count_nonzero(np.logical_and(over, under))
    return bool(shared > MUCH * np.count_nonzero(under))


def visible_labels(layers: Iterable[Any]) -> list[Labels]:
    """List the label images that are shown."""
    return [layer for layer in layers if isinstance(layer, Labels) and layer.visible]


def describe_hidden(before: Iterable[Labels]) -> str:
    """Say which label images that were shown are hidden by now, or nothing."""
    names = [f"“{layer.name}”" for layer in before if not layer.visible]
    if not names:
        return ""
    return f" {' and '.join(names)} {'is' if len(names) == 1 else 'are'} hidden beneath."
