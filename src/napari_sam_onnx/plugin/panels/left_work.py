"""A bar that offers what a crash left; it is there only where there is something."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_sam_onnx.plugin.editing.left import describe_work

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.editing.autosave import Autosave


class LeftWork(QFrame):
    """Says what was found, and asks what becomes of it."""

    def __init__(self, autosave: Autosave) -> None:
        super().__init__()
        self.autosave = autosave
        self._sure = False
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.restore = QPushButton("Restore")
        self.restore.setToolTip("Put the labels and prompts back as they were")
        self.discard = QPushButton("Discard")
        self.discard.setToolTip("Throw this work away; asks once more")
        buttons = QHBoxLayout()
        buttons.addWidget(self.restore)
        buttons.addWidget(self.discard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self.setStyleSheet("LeftWork { border: 1px solid #d39b00; border-radius: 3px; }")
        self.restore.clicked.connect(autosave.restore)
        self.discard.clicked.connect(self._discard)
        autosave.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what was found, or nothing."""
        found, earlier = self.autosave.found, self.autosave.earlier
        self._sure = False
        self.discard.setText("Discard")
        self.setVisible(found is not None)
        if found is not None:
            when = datetime.fromtimestamp(found.when)
            day = "" if when.date() == datetime.now().date() else when.strftime(" on %-d %B")
            self.text.setText(
                f"A crash left work on “{found.about['name']}” from {when:%H:%M}{day}: "
                f"{describe_work(found)}." + _describe_earlier(earlier)
            )

    def _discard(self) -> None:
        """Throw away what was found at the second press: it cannot be taken back."""
        found = self.autosave.found
        if self._sure or found is None:
            self.autosave.discard()
        else:
            self._sure = True
            self.discard.setText("Throw it away?")


def _describe_earlier(count: int) -> str:
    """Say what is offered afterwards."""
    if not count:
        return ""
    crashes = "an earlier crash" if count == 1 else f"{count} earlier crashes"
    return f" What {crashes} left is offered next."
