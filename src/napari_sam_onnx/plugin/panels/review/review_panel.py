"""The list of places that deserve a look, and going through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.plugin.panels.parts.widgets import one_line, set_line

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.review import Place, Reviewer

ROWS = 8
SHOWN = 500
"""Longer lists show their beginning; what is looked at is always among it."""


class ReviewPanel(QWidget):
    """Places, the most doubtful first; a click goes there.

    Parameters
    ----------
    reviewer : Reviewer
    judging : QWidget, optional
        What is done with places, below the list.
    """

    def __init__(self, reviewer: Reviewer, judging: QWidget | None = None) -> None:
        super().__init__()
        self.reviewer = reviewer
        self._shown: tuple[Place, ...] = ()
        self.count = one_line(Qt.TextElideMode.ElideRight)
        self.list = QListWidget()
        self.list.setToolTip("Click on a place to go there")
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.previous, self.next = QPushButton("Previous (U)"), QPushButton("Next (J)")
        self.previous.setToolTip("Go back to the place before (U)")
        self.next.setToolTip("Go to the next place (J)")
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self.previous, 1)
        buttons.addWidget(self.next, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        layout.addWidget(self.count)
        layout.addWidget(self.list)
        layout.addLayout(buttons)
        if judging is not None:
            judging.setContentsMargins(0, 0, 0, 0)
            layout.addWidget(judging)
        self.previous.clicked.connect(reviewer.previous)
        self.next.clicked.connect(reviewer.next)
        self.list.itemClicked.connect(self._go_to)
        reviewer.queue.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what the queue has."""
        queue = self.reviewer.queue
        begin = max(0, queue.index - SHOWN + 1)
        places = queue.places[begin : begin + SHOWN]
        if places != self._shown:
            self._shown = places
            self.list.clear()
            for place in places:
                item = QListWidgetItem(place.reason)
                item.setToolTip(place.reason)
                self.list.addItem(item)
            if places:  # whole rows: the theme says how high they are
                frame = 2 * self.list.frameWidth()
                self.list.setFixedHeight(ROWS * self.list.sizeHintForRow(0) + frame)
        for row, place in enumerate(places):
            item = self.list.item(row)
            font = item.font()
            if font.italic() is not queue.is_seen(place):
                font.setItalic(queue.is_seen(place))  # what was looked at
                item.setFont(font)
        self.list.setCurrentRow(queue.index - begin if queue.index >= 0 else -1)
        some = bool(places)
        for widget in (self.list, self.previous, self.next):
            widget.setEnabled(some)
        self.list.setVisible(some)
        total, left = len(queue.places), queue.left
        text = f"{total} place{'s' * (total != 1)}, {left} not seen yet"
        set_line(self.count, text if some else "Nothing to review yet.")

    def _go_to(self, item: QListWidgetItem) -> None:
        self.reviewer.go_to(self._shown[self.list.row(item)])
