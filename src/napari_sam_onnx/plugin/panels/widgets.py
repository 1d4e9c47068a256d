"""Small widgets that every panel uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent


PADDING = 8  # pixels that napari's style leaves around the text of a label


class Section(QWidget):
    """A titled part of the dock that can be folded away.

    Parameters
    ----------
    title : str
    body : QWidget
    folded : bool
        Whether it starts folded.
    """

    def __init__(self, title: str, body: QWidget, *, folded: bool = False) -> None:
        super().__init__()
        self.body = body
        self.header = QToolButton()
        self.header.setText(title)
        self.header.setCheckable(True)
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setAutoRaise(True)
        self.header.setStyleSheet("QToolButton { font-weight: 600; border: none; padding: 2px; }")
        self.header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.header.toggled.connect(self._unfold)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(2)
        layout.addWidget(self.header)
        layout.addWidget(body)
        body.setContentsMargins(8, 0, 0, 0)
        self.header.setChecked(not folded)
        self._unfold(not folded)

    def _unfold(self, unfolded: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow
        self.header.setArrowType(arrow)
        self.body.setVisible(unfolded)


class ElidedLabel(QLabel):
    """One line of text that is cut with an ellipsis where it does not fit."""

    def __init__(self, text: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle):
        super().__init__()
        self._full, self._mode = "", mode
        self.setMinimumWidth(20)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.set_full_text(text)

    def set_full_text(self, text: str) -> None:
        """Set the text; all of it shows in the tool tip."""
        self._full = text
        self.setToolTip(text)
        self._cut()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cut anew."""
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        room = self.width() - PADDING
        self.setText(self.fontMetrics().elidedText(self._full, self._mode, room))


def narrow_combo() -> QComboBox:
    """Make a combo box that long entries do not widen."""
    combo = QComboBox()
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


def narrow_form(parent: QWidget) -> QFormLayout:
    """Make a form whose fields take the width that there is."""
    form = QFormLayout(parent)
    form.setContentsMargins(8, 2, 2, 2)
    form.setSpacing(4)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return form


def fill_combo(combo: QComboBox, entries: list[tuple[str, object]], chosen: object) -> None:
    """Replace a combo's entries, without telling anybody, and choose one by its data."""
    old = [(combo.itemText(i), combo.itemData(i)) for i in range(combo.count())]
    blocked = combo.blockSignals(True)
    if not (
        len(old) == len(entries)
        and all(a[0] == b[0] and a[1] is b[1] for a, b in zip(old, entries, strict=True))
    ):
        combo.clear()
        for text, data in entries:
            combo.addItem(text, data)
            combo.setItemData(combo.count() - 1, text, Qt.ItemDataRole.ToolTipRole)
    index = next((i for i, (_, data) in enumerate(entries) if data is chosen or data == chosen), -1)
    combo.setCurrentIndex(index)
    combo.setToolTip(combo.currentText())
    combo.blockSignals(blocked)


def swatch(color: tuple[float, float, float], side: int = 14) -> QIcon:
    """Draw a square of one colour."""
    pixmap = QPixmap(side, side)
    pixmap.fill(QColor.fromRgbF(*color))
    painter = QPainter(pixmap)
    painter.setPen(QColor(128, 128, 128))
    painter.drawRect(0, 0, side - 1, side - 1)
    painter.end()
    return QIcon(pixmap)
