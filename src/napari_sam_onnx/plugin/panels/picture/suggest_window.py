"""A window that shows what a model sees in each channel and stain, to choose from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_sam_onnx.plugin.panels.parts.run_row import RunRow
from napari_sam_onnx.plugin.panels.parts.widgets import make_pixmap, one_line, set_line
from napari_sam_onnx.plugin.runs.advising import SHOWN, SIDE

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.runs.advising import Advice, Advising

COLUMNS = 3
ABOUT = (
    "What the model sees in each channel, stain, pair and the inverted picture, in the middle of "
    "this plane; what it sees most in with certainty comes first."
)


class SuggestWindow(QDialog):
    """Small pictures with outlines, the best first; one is chosen by its button.

    Parameters
    ----------
    advising : Advising
    parent : QWidget
    """

    def __init__(self, advising: Advising, parent: QWidget) -> None:
        super().__init__(parent)
        self.advising = advising
        self.setWindowTitle("Suggest channels")
        self.about = QLabel(ABOUT)
        self.about.setWordWrap(True)
        self.row = RunRow(
            advising.work, "Try again", "Try all ways on the plane that is shown now", "Stop"
        )
        self.cards = [_Card(partial(advising.take, number)) for number in range(SHOWN)]
        grid = QGridLayout()
        grid.setSpacing(10)
        for number, card in enumerate(self.cards):
            grid.addWidget(card, number // COLUMNS, number % COLUMNS)
        layout = QVBoxLayout(self)
        layout.addWidget(self.about)
        layout.addLayout(grid)
        layout.addStretch(1)
        layout.addWidget(self.row)
        self.row.run.clicked.connect(advising.start)
        advising.changed.connect(self.refresh)
        advising.work.changed.connect(self.refresh)
        self.refresh()

    def ask(self) -> None:
        """Show the window, and try all ways where nothing was tried yet."""
        self.show()
        self.raise_()
        self.activateWindow()
        if not self.advising.advices:
            self.advising.start()

    def refresh(self) -> None:
        """Show what is offered and how far the trying has come."""
        advising = self.advising
        able = advising.session.plane is not None
        line = "" if advising.advices or able else "Open a picture first."
        self.row.refresh(able, line)
        judge = f" {advising.judge} looks, since the chosen model proposes no objects by itself."
        self.about.setText(ABOUT + judge * bool(advising.judge))
        for number, card in enumerate(self.cards):
            offered = number < len(advising.advices)
            advice = advising.advices[number] if offered else None
            card.show_advice(advice, offered and advising.in_use(number))


class _Card(QWidget):
    """One way to show the picture; empty where there is none."""

    def __init__(self, take: partial[None]) -> None:
        super().__init__()
        self._advice: Advice | None = None
        self.title = one_line()
        self.title.setStyleSheet("font-weight: 600;")
        self.picture = QLabel()
        self.picture.setFixedSize(SIDE, SIDE)
        self.picture.setStyleSheet("padding: 0px; margin: 0px;")
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.facts = one_line(Qt.TextElideMode.ElideRight)
        for line in (self.title, self.facts):
            line.setMinimumHeight(line.fontMetrics().lineSpacing() + 6)
        self.take = QPushButton("Use")
        self.take.setToolTip("Show the picture to the model like this from now on")
        self.take.clicked.connect(take)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for widget in (self.title, self.picture, self.facts, self.take):
            layout.addWidget(widget)

    def show_advice(self, advice: Advice | None, in_use: bool) -> None:
        """Show a way, and whether it is the one in use."""
        if advice is not self._advice:
            self._advice = advice
            if advice is None:
                self.picture.clear()
            else:
                self.picture.setPixmap(make_pixmap(advice.drawn))
            name = "" if advice is None else advice.suggestion.way.name
            set_line(self.title, name[:1].upper() + name[1:])
            set_line(self.facts, "" if advice is None else describe_sight(advice))
        self.take.setVisible(advice is not None)
        self.take.setEnabled(not in_use)
        self.take.setText("In use" if in_use else "Use")


def describe_sight(advice: Advice) -> str:
    """Say what the model sees in a way."""
    sight = advice.suggestion.sight
    count = round(sight.count)
    if not count:
        return "nothing seen with certainty"
    return f"about {count} object{'s' * (count != 1)} of {sight.diameter:.0f} px"
