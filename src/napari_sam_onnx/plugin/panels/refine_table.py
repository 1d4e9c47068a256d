"""What became of each object that was refined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QLabel, QTableWidget, QTableWidgetItem, QVBoxLayout

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_sam_onnx.automatic.refine import Refinement

HEADS = ("Object", "", "Pixels before", "after", "Overlap", "Gain", "Score", "Stability")


class RefineTable(QDialog):
    """A table; those that were outlined anew come first, the largest change on top."""

    def __init__(self, result: Refinement, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Refined objects")
        self.resize(640, 420)
        table = self.table = QTableWidget(len(result.objects), len(HEADS))
        table.setHorizontalHeaderLabels(HEADS)
        table.verticalHeader().setVisible(False)
        table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        order = sorted(result.objects, key=lambda r: (not r.taken, r.iou))
        for row, refined in enumerate(order):
            gain = refined.expected_after - refined.expected_before
            cells: tuple[object, ...] = (
                refined.label,
                "outlined anew" if refined.taken else refined.why,
                refined.before.area,
                refined.after.area,
                round(refined.iou, 2),
                round(gain, 2),
                round(refined.predicted_iou, 2),
                round(refined.stability, 2),
            )
            for column, value in enumerate(cells):
                item = QTableWidgetItem()
                item.setData(Qt.ItemDataRole.DisplayRole, value)
                table.setItem(row, column, item)
        table.setSortingEnabled(True)
        table.resizeColumnsToContents()
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(result.summarize()))
        layout.addWidget(table, 1)
