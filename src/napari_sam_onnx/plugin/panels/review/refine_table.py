"""What became of each object that was refined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QLabel, QTableWidget, QTableWidgetItem, QVBoxLayout

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_sam_onnx.automatic.refine import Refined, Refinement
    from napari_sam_onnx.automatic.refine_planes import StackRefinement

HEADS = (
    "Object",
    "Plane",
    "",
    "Pixels before",
    "after",
    "Overlap",
    "Gain",
    "Edges",
    "Score",
    "Stability",
)


class RefineTable(QDialog):
    """A table; those that were outlined anew come first, the largest change on top."""

    def __init__(self, result: Refinement | StackRefinement, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Refined objects")
        self.resize(640, 420)
        table = self.table = QTableWidget(len(result.objects), len(HEADS))
        table.setHorizontalHeaderLabels(HEADS)
        table.verticalHeader().setVisible(False)
        table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        order = sorted(_list_rows(result), key=lambda row: (not row[1].taken, row[1].iou))
        table.setColumnHidden(1, not any(place for place, _ in order))
        for row, (place, refined) in enumerate(order):
            gain = refined.expected_after - refined.expected_before
            cells: tuple[object, ...] = (
                refined.label,
                place,
                "outlined anew" if refined.taken else refined.why,
                refined.before.area,
                refined.after.area,
                round(refined.iou, 2),
                round(gain, 2),
                round(refined.edges, 2),
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


def _list_rows(result: Refinement | StackRefinement) -> list[tuple[str, Refined]]:
    """List the objects, each with its plane where there are several."""
    planes = getattr(result, "planes", None)
    if planes is None:
        return [("", refined) for refined in result.objects]
    return [
        (" ".join(map(str, index)), refined) for index, found in planes for refined in found.objects
    ]
