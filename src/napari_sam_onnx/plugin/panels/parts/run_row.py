"""The buttons of a long piece of work, and how far it has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_sam_onnx.plugin.panels.parts.widgets import one_line, set_line

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.runs.work import Work

_STEPS = 1000


class RunRow(QWidget):
    """Run, Cancel, a thin bar and one line, whose room is kept while nothing runs.

    Parameters
    ----------
    work : Work
    title : str
        Of the button that starts it.
    tip, cancel_tip : str
        What starting and cancelling do.
    """

    def __init__(self, work: Work, title: str, tip: str, cancel_tip: str) -> None:
        super().__init__()
        self._work = work
        self.run, self.cancel = QPushButton(title), QPushButton("Cancel")
        self.run.setToolTip(tip)
        self.cancel.setToolTip(cancel_tip)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.bar.setToolTip("How far the work has come")
        kept = self.bar.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(kept)
        self.line = one_line(Qt.TextElideMode.ElideRight)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self.run, 1)
        buttons.addWidget(self.cancel, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.line)
        self.cancel.clicked.connect(self._cancel)

    def follow(self, work: Work) -> None:
        """Start, show and stop other work from now on."""
        self._work = work

    def _cancel(self) -> None:
        self._work.cancel()

    def refresh(self, able: bool, idle: str = "") -> None:
        """Show the work.

        Parameters
        ----------
        able : bool
            Whether it can be started where none goes on.
        idle : str
            What the line says while nothing goes on.
        """
        work, busy = self._work, self._work.busy
        able, stoppable = able and not busy, busy and not work.stopped
        if self.window().focusWidget() in (self.run, self.cancel):
            # else it goes to what comes next, and the dock scrolls there
            button = self.run if able else self.cancel
            button.setEnabled(able or stoppable)
            button.setFocus()
        self.run.setEnabled(able)
        self.cancel.setEnabled(stoppable)
        self.bar.setVisible(busy)
        self.bar.setRange(0, 0 if busy and work.fraction is None else _STEPS)
        self.bar.setValue(round(_STEPS * (work.fraction or 0)))
        set_line(self.line, work.text if busy else idle)


class WorkLine(QWidget):
    """One line about long work and a button that ends it; empty while nothing goes on.

    Parameters
    ----------
    work : Work
    """

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work
        self.line = one_line(Qt.TextElideMode.ElideRight)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line, 1)
        layout.addWidget(self.cancel)
        self.cancel.clicked.connect(work.cancel)
        self.refresh()

    def refresh(self) -> None:
        """Show the work."""
        busy = self._work.busy
        set_line(self.line, self._work.text if busy else "")
        self.setVisible(busy)
        self.cancel.setEnabled(busy and not self._work.stopped)
