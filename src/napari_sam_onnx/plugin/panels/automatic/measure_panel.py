"""The objects as a table, in micrometres where the picture has units; and against a truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.plugin.panels.parts.widgets import FewLines, fill_combo, narrow_combo
from napari_sam_onnx.plugin.runs.judged.measuring import describe_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.runs.judged.measuring import Measuring

ROWS = 6

MEASURED = 200
"""Rows whose texts say how wide a column is; longer tables would take long."""

WIDEST = "00000.0"
"""What every column has room for, whatever the rows say that are not measured."""


class MeasurePanel(QWidget):
    """The section of the dock.

    Parameters
    ----------
    measuring : Measuring
    """

    def __init__(self, measuring: Measuring) -> None:
        super().__init__()
        self.measuring = measuring
        self.measure, self.save = QPushButton("Measure objects"), QPushButton("Save CSV …")
        self.measure.setToolTip(
            "Measure the objects of the labels that are written to, and say how sure they are"
        )
        self.save.setToolTip("Save the table as a CSV file")
        self.whole = QCheckBox("Volumes as a whole")
        self.whole.setToolTip("A row for each object of a volume, not one for each plane of it")
        self.whole.setChecked(measuring.whole)
        self.model = _Columns()
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.table.setToolTip("Click on a row to go to its object, on a title to sort")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setResizeContentsPrecision(MEASURED)
        header.setMinimumSectionSize(self.fontMetrics().horizontalAdvance(WIDEST) + 8)
        for corner in self.table.findChildren(QAbstractButton):
            corner.setToolTip("Select all rows")
        line = self.fontMetrics().lineSpacing() + 6
        self.table.verticalHeader().setDefaultSectionSize(line)
        self.table.setFixedHeight((ROWS + 2) * line)
        self.truth = narrow_combo()
        self.truth.setToolTip("The labels that are the truth")
        self.compare = QPushButton("Compare")
        self.compare.setToolTip("Compare the labels that are written to with this truth")
        self.figures = FewLines(3)
        head, foot = QHBoxLayout(), QHBoxLayout()
        for row in (head, foot):
            row.setSpacing(4)
        head.addWidget(self.measure, 1)
        head.addWidget(self.save)
        foot.addWidget(self.truth, 1)
        foot.addWidget(self.compare)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addWidget(self.whole)
        layout.addWidget(self.table)
        layout.addLayout(foot)
        layout.addWidget(self.figures)
        self.measure.clicked.connect(measuring.measure)
        self.save.clicked.connect(self._save)
        self.whole.toggled.connect(self._choose_whole)
        self.compare.clicked.connect(lambda: measuring.compare(self.truth.currentData()))
        self.table.clicked.connect(self._go_to)
        measuring.changed.connect(self._show)
        measuring.labels.changed.connect(self.refresh)
        measuring.session.layers_changed.connect(self.refresh)
        self.figures.hide()
        self.refresh()

    def refresh(self) -> None:
        """Show what can be measured and compared."""
        there = self.measuring.labels.layer is not None
        truths: list[tuple[str, object]] = [
            (f"Truth: {layer.name}", layer) for layer in self.measuring.truths()
        ]
        fill_combo(self.truth, truths or [("No other labels", None)], self.truth.currentData())
        if self.truth.currentIndex() < 0:
            self.truth.setCurrentIndex(0)
        self.measure.setEnabled(there)
        self.whole.setVisible(self.measuring.deep)
        self.truth.setEnabled(bool(truths))
        self.compare.setEnabled(there and bool(truths))
        self.save.setEnabled(bool(self.measuring.columns))

    def _show(self) -> None:
        self.model.show(self.measuring.columns)
        self.table.resizeColumnsToContents()
        scores = self.measuring.scores
        self.figures.say("" if scores is None else describe_scores(scores))
        self.figures.setVisible(scores is not None)
        self.refresh()

    def _choose_whole(self, on: bool) -> None:
        self.measuring.whole = on
        if self.measuring.columns:
            self.measuring.measure()

    def _go_to(self, index: QModelIndex) -> None:
        self.measuring.go_to(self.model.row_of(index))

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the table", "objects.csv", "CSV (*.csv)")
        if path:
            self.measuring.save(Path(path))


class _Columns(QAbstractTableModel):
    """Columns of equal length, by name, sorted by one of them.

    (Qt's own sorting compares two values at a time, which freezes long tables.)
    """

    def __init__(self) -> None:
        super().__init__()
        self._columns: dict[str, list[Any]] = {}
        self._rows = np.zeros(0, np.intp)
        self._by = -1, Qt.SortOrder.AscendingOrder  # as they come

    def show(self, columns: dict[str, list[Any]]) -> None:
        """Show other columns."""
        self.beginResetModel()
        self._columns = columns
        self._rows = self._sort_rows()
        self.endResetModel()

    def row_of(self, index: QModelIndex) -> int:
        """Return where a row that is shown stands in the columns."""
        return int(self._rows[index.row()])

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; what is not known comes last."""
        self.layoutAboutToBeChanged.emit()
        held = self.persistentIndexList()  # what is selected stays so
        rows = [self.row_of(index) for index in held]
        self._by = column, order
        self._rows = self._sort_rows()
        places = np.argsort(self._rows)
        moved = [
            self.index(int(places[row]), index.column())
            for row, index in zip(rows, held, strict=True)
        ]
        self.changePersistentIndexList(held, moved)
        self.layoutChanged.emit()

    def _sort_rows(self) -> NDArray[np.intp]:
        column, order = self._by
        if not 0 <= column < len(self._columns):
            return np.arange(self.rowCount())
        values = np.asarray(list(self._columns.values())[column])
        if values.dtype.kind != "f":
            values = np.unique(values, return_inverse=True)[1].reshape(-1)
        return np.argsort(
            -values if order == Qt.SortOrder.DescendingOrder else values, kind="stable"
        )

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Count the objects."""
        return len(next(iter(self._columns.values()), []))

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Count the columns."""
        return len(self._columns)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Name a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            name = list(self._columns)[section]
            return (
                name.replace("_um2", " (µm²)")
                .replace("_um3", " (µm³)")
                .replace("_um", " (µm)")
                .replace("_", " ")
            )
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Return a value: as text, or as it is to be sorted."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = list(self._columns.values())[index.column()][self.row_of(index)]
        return _write(value) if isinstance(value, float) else str(value)


def _write(value: float) -> str:
    """Write a number with three digits, or all that stand before the point; no powers of ten."""
    if abs(value) >= 1000:
        return f"{value:.0f}"
    text = f"{value:.3g}"
    return f"{value:.4f}".rstrip("0").rstrip(".") if "e" in text else text
