"""The table of models for Qt: rows, sorting, filtering, and a bar where one is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QRect, QSortFilterProxyModel, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QStyledItemDelegate, QTableView

from napari_sam_onnx.plugin.shelf.rows import COLUMNS, ModelRow, matches

if TYPE_CHECKING:
    from qtpy.QtGui import QPainter
    from qtpy.QtWidgets import QStyleOptionViewItem

LICENCE_COLUMN = COLUMNS.index("Licence")
STATE_COLUMN = COLUMNS.index("On this computer")
_WIDTHS = (210, 110, 70, 170, 130, 90, 130)

BAR_COLOR = QColor(61, 139, 253)
_DARK_COLORS = {"failed": "#ff7b80", "here": "#41c47f", "restricted": "#f0a04b"}
_LIGHT_COLORS = {"failed": "#b3151d", "here": "#12693a", "restricted": "#8a4b00"}

_NUMBERS = ("Size", "Click · box", "Speed here")
_HEADINGS = {
    "Click · box": "Mean IoU of one click and one box on this project's pictures",
    "Speed here": "Milliseconds to encode a plane of 1024 × 1024, and per click; press Measure",
}
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_SORT = Qt.ItemDataRole.UserRole
_ROW = Qt.ItemDataRole.UserRole + 1


class ModelTable(QAbstractTableModel):
    """Hands rows to Qt; only what differs is drawn anew."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.rows: list[ModelRow] = []
        self._colors = _DARK_COLORS

    def fit_theme(self, light: bool) -> None:
        """Take colours that can be read on a light background, or on a dark one."""
        self._colors = _LIGHT_COLORS if light else _DARK_COLORS

    @property
    def error_color(self) -> str:
        """The colour for what went wrong."""
        return self._colors["failed"]

    def show_rows(self, rows: list[ModelRow]) -> None:
        """Replace the rows; selection and scroll stay where the models are the same."""
        if [row.model_id for row in rows] != [row.model_id for row in self.rows]:
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()
            return
        old, self.rows = self.rows, rows
        for number, (before, after) in enumerate(zip(old, rows, strict=True)):
            if before != after:
                self.dataChanged.emit(self.index(number, 0), self.index(number, len(COLUMNS) - 1))

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Count the models."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Count the columns."""
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Name a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole and COLUMNS[section] in _NUMBERS:
            return _RIGHT
        if role == Qt.ItemDataRole.ToolTipRole:
            return _HEADINGS.get(COLUMNS[section])
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Hand out one cell."""
        row, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return row.cells[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.tips[column]
        if role == Qt.ItemDataRole.ForegroundRole:
            named = "restricted" if row.restricted and column == LICENCE_COLUMN else None
            if column == STATE_COLUMN:
                named = "here" if row.state == "embedded" else row.state
            color = self._colors.get(named or "")
            return None if color is None else QColor(color)
        if role == Qt.ItemDataRole.TextAlignmentRole and COLUMNS[column] in _NUMBERS:
            return _RIGHT
        if role == _SORT:
            return row.keys[column]
        return row if role == _ROW else None


class ModelFilter(QSortFilterProxyModel):
    """Sorts, and keeps the rows with all words that were typed."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._words, self._here, self._purpose = "", False, ""
        self.setSortRole(_SORT)

    def keep(self, words: str, here: bool, purpose: str) -> None:
        """Keep the models with these words, made for this; with ``here``, on this computer."""
        self._words, self._here, self._purpose = words, here, purpose
        self.invalidate()

    def filterAcceptsRow(self, number: int, parent: QModelIndex) -> bool:
        """Whether a row is kept."""
        row = self.sourceModel().rows[number]
        wanted = not self._here or row.state not in ("absent", "part")
        wanted = wanted and self._purpose in ("", row.purpose)
        return wanted and matches(row, self._words)


class _BarDelegate(QStyledItemDelegate):
    """Draws how far a download has come behind its text."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().paint(painter, option, index)
        row = index.data(_ROW)
        if row is None or row.fraction is None:
            return
        box = option.rect
        width = max(2, round(row.fraction * (box.width() - 4)))
        bar = QRect(box.left() + 2, box.bottom() - 4, width, 3)
        painter.save()
        painter.fillRect(bar, BAR_COLOR)
        painter.restore()


class ModelView(QTableView):
    """The table as it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ModelTable(self)
        self.filter = ModelFilter(self)
        self.filter.setSourceModel(self.table)
        self.setModel(self.filter)
        self.setItemDelegateForColumn(STATE_COLUMN, _BarDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setAlternatingRowColors(False)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column, width in enumerate(_WIDTHS):
            self.setColumnWidth(column, width)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setSortingEnabled(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # the catalogue's own order

    @property
    def chosen(self) -> str | None:
        """The id of the selected model."""
        found = self.selectionModel().selectedRows()
        return None if not found else found[0].data(_ROW).model_id

    def choose(self, model_id: str) -> bool:
        """Select a model, where the filter shows it; whether it does."""
        for number in range(self.filter.rowCount()):
            index = self.filter.index(number, 0)
            if index.data(_ROW).model_id == model_id:
                self.selectRow(number)
                self.scrollTo(index)
                return True
        return False
