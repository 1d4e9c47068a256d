"""The score of the mask that is shown, beside the pointer.

It follows no movement: it stands where the pointer was when the answer came, and goes when the
pointer leaves that place. Where the pointer is elsewhere than on the canvas, none is shown.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QPointF, Qt
from qtpy.QtWidgets import QLabel, QWidget

from napari_sam_onnx.plugin.session.advice import describe_scores, is_doubtful

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.session.session import Session

ASIDE = 16
"""Pixels between the pointer and the score."""

AWAY = 120
"""When the pointer is so many pixels away, the score goes."""

SURE, DOUBTFUL = "#ffffff", "#ffb000"
_MOVES = (QEvent.Type.MouseMove, QEvent.Type.MouseButtonPress)


class ScoreTip(QObject):
    """Shows scores on the canvas.

    Parameters
    ----------
    session : Session
    parent : QObject
    """

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self.session = session
        self._on = True
        self._canvas: QWidget | None = None
        self.label: QLabel | None = None
        self._pointer: QPointF | None = None
        session.answer_changed.connect(self.refresh)

    @property
    def on(self) -> bool:
        """Whether scores are shown."""
        return self._on

    @on.setter
    def on(self, on: bool) -> None:
        self._on = on
        self.refresh()

    def follow(self, canvas: QWidget | None) -> None:
        """Show scores on a canvas; None: on none any more."""
        if canvas is self._canvas:
            return
        if self._canvas is not None:
            self._canvas.removeEventFilter(self)
        if self.label is not None:
            self.label.deleteLater()
        self._canvas, self.label = canvas, None
        if canvas is not None:
            canvas.installEventFilter(self)
            canvas.destroyed.connect(self._forget)
            self.label = QLabel(canvas)
            self.label.setTextFormat(Qt.TextFormat.PlainText)
            self.label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            self.label.hide()

    def refresh(self) -> None:
        """Show the score of the object that was edited last, or none."""
        label, answer = self.label, self.session.answer
        if label is None or self._canvas is None:
            return
        if answer is None or not self._on or self._pointer is None or isnan(answer.mask.score):
            label.hide()
            return
        doubtful = is_doubtful(answer.mask)
        label.setText(describe_scores(answer))
        label.setStyleSheet(
            f"color: {DOUBTFUL if doubtful else SURE}; background: rgba(20, 20, 20, 190);"
            "border-radius: 3px; padding: 1px 5px;"
        )
        label.adjustSize()
        x = min(self._pointer.x() + ASIDE, self._canvas.width() - label.width())
        y = min(self._pointer.y() + ASIDE, self._canvas.height() - label.height())
        label.move(round(max(0, x)), round(max(0, y)))
        label.show()
        label.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Remember where the pointer is."""
        if event.type() in _MOVES:
            place: Any = event
            pointer = self._pointer = QPointF(place.position())
            label = self.label
            if label is not None and label.isVisible():
                away = pointer - QPointF(label.pos())
                if max(abs(away.x()), abs(away.y())) > AWAY:
                    label.hide()
        elif event.type() == QEvent.Type.Leave:
            self._pointer = None
            if self.label is not None:
                self.label.hide()
        return False

    def shut(self) -> None:
        """Show nothing any more."""
        self.session.answer_changed.disconnect(self.refresh)
        self.follow(None)

    def _forget(self) -> None:
        self._canvas = self.label = None
