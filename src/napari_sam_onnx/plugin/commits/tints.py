"""The colours that open objects will have as labels: by their numbers to come, or as corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_onnx.plugin.layers.colors import Tint, color_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Labels

    from napari_sam_onnx.labels.fitting import Fitted
    from napari_sam_onnx.plugin.commits.label_target import LabelTarget
    from napari_sam_onnx.plugin.layers.colors import Color
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.session.session import Session


class Tints:
    """Says in which colours a preview is drawn, and has it drawn anew when they are others.

    Parameters
    ----------
    session : Session
    labels : LabelTarget
        Where objects are written to.

    Attributes
    ----------
    of_class : callable
        The colour of a new label by its class; None where classes give none.
    """

    def __init__(self, session: Session, labels: LabelTarget) -> None:
        self.session, self.labels = session, labels
        self.of_class: Callable[[int], Color | None] = lambda label: None
        self._watched: Labels | None = None
        session.dialogue.tint = self.choose
        labels.changed.connect(self._follow)

    def choose(self, fitted: Sequence[Fitted], plane: Plane) -> list[Tint]:
        """Return a tint for each object that is shown on a plane, in the order of writing."""
        layer, label = self.labels.layer, self.labels.next_label
        prompts, answers = self.session.prompts, self.session.answers
        opened = None if prompts is None else prompts.correction_on(plane)
        tints = []
        for number, fit in enumerate(fitted):
            answer = answers[number] if number < len(answers) else None
            if opened is not None and answer is not None and opened.is_asked(answer.prompts):
                tints.append(Tint(color_of(opened.layer, opened.label), on_itself=True))
            elif label is None:
                tints.append(Tint())
            else:
                tints.append(Tint(self.of_class(label) or color_of(layer, label)))
                label += not fit.problem
        return tints

    def close(self) -> None:
        """Listen to no label image any more."""
        self._watch(None)

    def _follow(self) -> None:
        if self.labels.layer is not self._watched:
            self._watch(self.labels.layer)

    def _watch(self, layer: Labels | None) -> None:
        if self._watched is not None:
            self._watched.events.colormap.disconnect(self._redraw)
        self._watched = layer
        if layer is not None:
            layer.events.colormap.connect(self._redraw)

    def _redraw(self, *_: Any) -> None:
        self.session.dialogue.draw_again()
