"""Keys and wheel go where the user means them, not where the last form was touched.

The keys of the prompt layers (N, W, Enter …) belong to the canvas. A combo box would search its
entries for the letter, a spin box would swallow it, and a button keep it; here they hand it on.
The wheel scrolls the dock, whatever lies under the pointer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QMainWindow,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_LETTERS = range(int(Qt.Key.Key_A), int(Qt.Key.Key_Z) + 1)
_DIGITS = range(int(Qt.Key.Key_0), int(Qt.Key.Key_9) + 1)
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_PLAIN = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
_UNDO = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
)
# What holds the focus after a click without needing the keys; a line that is typed in does.
_IDLE = (QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox)


class Hands(QObject):
    """Sends keys to the canvas, and the wheel to the dock, while the dock is open.

    Parameters
    ----------
    dock : QWidget
        Whose combos, spin boxes and buttons hand on what is not theirs.
    awake : callable
        Whether clicks and keys on the canvas are ours now.
    """

    def __init__(self, dock: QWidget, awake: Callable[[], bool]) -> None:
        super().__init__(dock)
        self._dock, self._awake = dock, awake
        self._canvas: QWidget | None = None
        self._watched: QWidget | None = None
        self._typed = False  # into a spin box, which has not taken it yet
        self._application = QApplication.instance()
        self._application.focusChanged.connect(self._on_focus)

    def release(self) -> None:
        """Watch nothing any more."""
        self._application.focusChanged.disconnect(self._on_focus)
        for widget in (self._canvas, self._watched):
            if widget is not None:
                widget.removeEventFilter(self)
        self._canvas = self._watched = None

    @property
    def canvas(self) -> QWidget | None:
        """The canvas that keys are handed to."""
        return self._canvas

    def find_canvas(self) -> None:
        """Watch the canvas of the window that the dock is in; done again when it moves."""
        canvas = _canvas_beside(self._dock)
        if canvas is self._canvas:
            return
        if self._canvas is not None:
            self._canvas.removeEventFilter(self)
        self._canvas = canvas
        if canvas is not None:
            canvas.installEventFilter(self)
            canvas.destroyed.connect(self._forget_canvas)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Hand on keys from the dock; take the focus to the canvas with the pointer."""
        kind, canvas = event.type(), self._canvas
        if canvas is None:
            return False
        if watched is canvas:
            if kind == QEvent.Type.Enter and self._is_free(QApplication.focusWidget()):
                canvas.setFocus(Qt.FocusReason.MouseFocusReason)
            return False
        if kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease) and self._is_for_canvas(event):
            if kind == QEvent.Type.KeyPress:  # so that its release is the canvas's too
                canvas.setFocus(Qt.FocusReason.ShortcutFocusReason)
            QApplication.sendEvent(canvas, event)
            return True
        if kind == QEvent.Type.KeyPress and isinstance(watched, QAbstractSpinBox):
            if self._typed and event.key() in _ENTER:
                watched.interpretText()
                self._typed = False
                return True  # it would go on to the window, and accept
            self._typed = self._typed or bool(event.text())
        return False

    def _is_free(self, focused: QWidget | None) -> bool:
        """Whether the focus lies where nobody needs it: with us, or with napari's own forms."""
        if focused is None or not isinstance(focused, _IDLE):
            return False
        return self._dock.isAncestorOf(focused) or self._awake()

    def _is_for_canvas(self, event: Any) -> bool:
        """Whether a key pressed in the dock means the picture."""
        key, modifiers = int(event.key()), event.modifiers()
        if key == int(Qt.Key.Key_Z) and modifiers in _UNDO:
            return not self._typed
        if key in _LETTERS:
            return modifiers in (*_PLAIN, Qt.KeyboardModifier.ShiftModifier)
        if key in _DIGITS and modifiers == Qt.KeyboardModifier.ControlModifier:
            return True  # classes
        if modifiers not in _PLAIN:
            return False
        if event.key() in _ENTER or event.key() == Qt.Key.Key_Escape:
            return not self._typed
        return False

    def _on_focus(self, old: QWidget | None, new: QWidget | None) -> None:
        if self._watched is not None:
            self._watched.removeEventFilter(self)
            self._watched.destroyed.disconnect(self._forget_watched)
            self._watched = None
        self._typed = False
        if new is not None and isinstance(new, _IDLE) and self._dock.isAncestorOf(new):
            self._watched = new
            new.installEventFilter(self)
            new.destroyed.connect(self._forget_watched)

    def _forget_watched(self) -> None:
        self._watched = None

    def _forget_canvas(self) -> None:
        self._canvas = None


class _NoWheel(QObject):
    """Leaves the wheel to what a widget lies in."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return False


def ignore_wheel(widget: QWidget) -> QWidget:
    """Let the wheel scroll what a combo or a spin box lies in, instead of changing its value."""
    widget.installEventFilter(_NoWheel(widget))
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # the wheel would focus it, too
    return widget


def _canvas_beside(dock: QWidget) -> QWidget | None:
    """Find napari's canvas by its kind, in the window that a dock belongs to."""
    from qtpy.QtOpenGLWidgets import QOpenGLWidget

    window: Any = dock
    while window is not None and not isinstance(window, QMainWindow):
        window = window.parentWidget()
    return None if window is None else window.findChild(QOpenGLWidget)
