"""Judging what was found: keep and delete what is looked at, and many with a lasso."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_sam_onnx.plugin.runs.judged.doubts import HINTS

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.runs.judged.doubts import Doubts

LASSOS = (("delete", "Delete"), ("join", "Join"), ("keep", "Keep"))


class DoubtPanel(QWidget):
    """Buttons under the list of places to review.

    Parameters
    ----------
    doubts : Doubts
    """

    def __init__(self, doubts: Doubts) -> None:
        super().__init__()
        self.doubts = doubts
        self.begin = QPushButton("Review the last result")
        self.begin.setToolTip(
            "List the objects that automatic masks found, with their rating, the doubtful first"
        )
        self.keep, self.delete = QPushButton("Keep (Y)"), QPushButton("Delete (Shift+Y)")
        self.keep.setToolTip(
            "Approve of the object that is looked at: no limit takes it away any more; go on (Y)"
        )
        self.delete.setToolTip("Delete the object that is looked at from its plane (Shift+Y)")
        self.lassos: dict[str, QPushButton] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 2)  # inside another panel
        grid.setSpacing(4)
        grid.addWidget(self.begin, 0, 0, 1, 4)
        grid.addWidget(self.keep, 1, 0, 1, 2)
        grid.addWidget(self.delete, 1, 2, 1, 2)
        grid.addWidget(QLabel("Lasso"), 2, 0)
        for column, (name, text) in enumerate(LASSOS, 1):
            button = self.lassos[name] = QPushButton(text)
            button.setCheckable(True)
            button.setToolTip(HINTS[name])
            button.clicked.connect(partial(self._ask, name))
            grid.addWidget(button, 2, column)
        for column in range(4):
            grid.setColumnStretch(column, 1)
        self.begin.clicked.connect(doubts.begin)
        self.keep.clicked.connect(doubts.keep)
        self.delete.clicked.connect(doubts.delete)
        doubts.gestures.changed.connect(self.refresh)
        doubts.filtering.changed.connect(self.refresh)
        doubts.reviewer.queue.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what can be judged, and which lasso is waited for."""
        current = self.doubts.gestures.current
        there = self.doubts.commits.labels.layer is not None
        for name, button in self.lassos.items():
            button.setChecked(current is not None and current.name == f"lasso {name}")
            button.setEnabled(there)
        self.begin.setEnabled(self.doubts.filtering.finding is not None)
        looked_at = self.doubts.reviewer.queue.current
        for button in (self.keep, self.delete):
            button.setEnabled(looked_at is not None and bool(looked_at.label))

    def _ask(self, name: str, _: bool = False) -> None:
        self.doubts.ask(name)
        self.refresh()
