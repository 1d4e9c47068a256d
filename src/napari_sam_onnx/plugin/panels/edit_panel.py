"""Editing objects that exist: a button for each edit; the next click says which object."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

from napari_sam_onnx.plugin.session.editing import HINTS

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.session.editing import Editor
    from napari_sam_onnx.plugin.session.gestures import Gestures
    from napari_sam_onnx.plugin.session.session import Session

BUTTONS = (
    ("join", "Join", "M"),
    ("split", "Split", "X"),
    ("grow", "Grow", "="),
    ("shrink", "Shrink", "-"),
    ("fill", "Fill holes", "F"),
    ("largest", "Largest piece", "Shift+F"),
    ("smooth", "Smooth", ""),
)
COLUMNS = 3


class EditPanel(QWidget):
    """The buttons of the edits; the one that waits for a click is held down."""

    def __init__(self, session: Session, gestures: Gestures, editor: Editor) -> None:
        super().__init__()
        self.session, self.gestures = session, gestures
        self.buttons: dict[str, QPushButton] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(8, 2, 2, 2)
        grid.setSpacing(4)
        for place, (name, text, key) in enumerate(BUTTONS):
            button = self.buttons[name] = QPushButton(text)
            button.setCheckable(True)
            button.setStyleSheet("QPushButton { padding: 4px 2px; }")
            button.setToolTip(HINTS[name] + (f" Key: {key}." if key else ""))
            button.clicked.connect(partial(self._ask, editor, name))
            grid.addWidget(button, *divmod(place, COLUMNS))
        gestures.changed.connect(self.refresh)
        session.picture_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show which edit is waited for."""
        current = self.gestures.current
        for name, button in self.buttons.items():
            button.setChecked(current is not None and current.name == name)
            button.setEnabled(self.session.picture is not None)

    def _ask(self, editor: Editor, name: str, _: bool = False) -> None:
        editor.ask(name)
        self.refresh()
