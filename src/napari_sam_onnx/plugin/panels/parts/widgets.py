"""Small widgets that every panel uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPixmap, QTextLayout, QTextOption
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_sam_onnx.plugin.panels.parts.hands import ignore_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from qtpy.QtGui import QPaintEvent, QResizeEvent

PADDING = 8  # pixels that napari's style leaves around the text of a label
LONGEST_NAME = 32  # letters of a layer's name that a sentence shows
LINE_END = "\u2028"  # what Qt's text layout ends a line at; it takes a newline for a space


class Section(QWidget):
    """A titled part of the dock that can be folded away.

    (superqt's `QCollapsible` fixes the height of its content when it unfolds, so that rows which
    appear later and text that wraps are cut, and draws its arrow once, in one theme's colour.)

    Parameters
    ----------
    title : str
    body : QWidget
    folded : bool
        Whether it starts folded.
    tools : sequence of QWidget
        Buttons beside the title, shown while it is unfolded.
    """

    def __init__(
        self, title: str, body: QWidget, *, folded: bool = False, tools: Sequence[QWidget] = ()
    ) -> None:
        super().__init__()
        self.body, self._tools = body, tools
        self.header = QToolButton()
        self.header.setText(title)
        self.header.setToolTip(f"Show or hide: {title}")
        self.header.setCheckable(True)
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setAutoRaise(True)
        self.header.setStyleSheet("QToolButton { font-weight: 600; border: none; padding: 2px; }")
        self.header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.header.toggled.connect(self._unfold)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(2)
        top = QHBoxLayout()
        top.setContentsMargins(0, 0, 2 * bool(tools), 0)
        top.setSpacing(4)
        for widget in (self.header, *tools):
            top.addWidget(widget)
        layout.addLayout(top)
        layout.addWidget(body)
        body.setContentsMargins(8, 0, 0, 0)
        self.header.setChecked(not folded)
        self._unfold(not folded)

    def _unfold(self, unfolded: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow
        self.header.setArrowType(arrow)
        for widget in (self.body, *self._tools):
            widget.setVisible(unfolded)


def one_line(mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle) -> QElidingLabel:
    """Make a line of text that is cut with an ellipsis where it does not fit."""
    label = QElidingLabel()
    label.setElideMode(mode)
    label.setEllipsesWidth(PADDING)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setMinimumWidth(20)
    label.setMinimumHeight(label.fontMetrics().height() + PADDING // 2)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


class FewLines(QLabel):
    """A text of so many lines at all times, so that nothing below moves with what it says.

    Longer ones end in an ellipsis and show whole in the tool tip. (superqt's label wraps between
    words alone, and knows nothing of the room that a style leaves around the text.)

    Parameters
    ----------
    lines : int
    padding : int
        Pixels that the style leaves on each side, a border included.
    """

    def __init__(self, lines: int, padding: int = PADDING // 2) -> None:
        super().__init__()
        self._full, self._lines, self._padding = "", lines, padding
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + 2 * PADDING + 4)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def say(self, text: str) -> None:
        """Set the text; long names in it are cut in their middle."""
        self._full = cut_names(text)
        self.setToolTip(text)
        self._cut()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap anew."""
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        room = max(20, self.width() - 2 * self._padding - 4)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        text = self._full.replace("\n", LINE_END)
        layout = QTextLayout(text, self.font())
        layout.setTextOption(option)
        starts = []
        layout.beginLayout()
        while (line := layout.createLine()).isValid():
            line.setLineWidth(room)
            starts.append(line.textStart())
        layout.endLayout()
        bounds = list(zip(starts, [*starts[1:], len(text)], strict=True))
        shown = [text[start:stop].strip() for start, stop in bounds[: self._lines]]
        if len(bounds) > self._lines:
            rest = text[starts[self._lines - 1] :].replace(LINE_END, " ")
            right = Qt.TextElideMode.ElideRight
            shown[-1] = self.fontMetrics().elidedText(rest, right, room)
        self.setText("\n".join(shown))


def cut_names(text: str) -> str:
    """Cut long names in quotation marks, such as of layers, in their middle."""
    return re.sub(
        rf"“([^”]{{{LONGEST_NAME + 1},}})”",
        lambda name: f"“{name[1][: LONGEST_NAME // 2]}…{name[1][-LONGEST_NAME // 2 :]}”",
        text,
    )


def set_line(label: QElidingLabel, text: str, tip: str = "") -> None:
    """Set the text of a line; all of it shows in the tool tip, or another text does."""
    if text != label.text():
        label.setText(text)
    label.setToolTip(tip or text)


class _ElidingCombo(QComboBox):
    """Cuts an entry that is too long with an ellipsis; Qt cuts it through a letter."""

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        field = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideMiddle, field.width() - PADDING
        )
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


def narrow_combo() -> QComboBox:
    """Make a combo box that long entries do not widen."""
    combo = _ElidingCombo()
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    ignore_wheel(combo)
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
    combo.blockSignals(blocked)


def swatch(color: tuple[float, float, float]) -> QIcon:
    """Draw a square of one colour."""
    side = 14
    pixmap = QPixmap(side, side)
    pixmap.fill(QColor.fromRgbF(*color))
    painter = QPainter(pixmap)
    painter.setPen(QColor(128, 128, 128))
    painter.drawRect(0, 0, side - 1, side - 1)
    painter.end()
    return QIcon(pixmap)


def make_pixmap(picture: NDArray[np.uint8]) -> QPixmap:
    """Turn a contiguous picture, ``(H, W, 3)``, into one that Qt shows; its pixels are copied."""
    height, width = picture.shape[:2]
    image = QImage(picture.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image)
