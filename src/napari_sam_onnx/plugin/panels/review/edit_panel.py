"""Editing objects that exist: a button for each edit; the next click says which object."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QGridLayout, QPushButton, QWidget

from napari_sam_onnx.plugin.editing.editing import HINTS
from napari_sam_onnx.plugin.panels.parts.run_row import RunRow
from napari_sam_onnx.plugin.panels.review.refine_table import RefineTable

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.editing.editing import Editor
    from napari_sam_onnx.plugin.editing.gestures import Gestures
    from napari_sam_onnx.plugin.runs.refining import Refiner
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.session.stack_axes import StackAxes

BUTTONS = (
    ("join", "Join", "M"),
    ("split", "Split", "X"),
    ("grow", "Grow", "="),
    ("shrink", "Shrink", "-"),
    ("fill", "Fill holes", "F"),
    ("largest", "Largest piece", "Shift+F"),
    ("smooth", "Smooth", ""),
)
COLUMNS = 3


class EditPanel(QWidget):
    """The buttons of the edits; the one that waits for a click is held down."""

    def __init__(
        self,
        session: Session,
        gestures: Gestures,
        editor: Editor,
        refiner: Refiner,
        axes: StackAxes,
    ) -> None:
        super().__init__()
        self.session, self.gestures, self.refiner, self.axes = session, gestures, refiner, axes
        self.table: RefineTable | None = None
        self.buttons: dict[str, QPushButton] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(8, 2, 2, 2)
        grid.setSpacing(4)
        for place, (name, text, key) in enumerate(BUTTONS):
            button = self.buttons[name] = QPushButton(text)
            button.setCheckable(True)
            button.setStyleSheet("QPushButton { padding: 4px 2px; }")
            button.setToolTip(HINTS[name] + (f" Key: {key}." if key else ""))
            button.clicked.connect(partial(self._ask, editor, name))
            grid.addWidget(button, *divmod(place, COLUMNS))
        row = -(-len(BUTTONS) // COLUMNS)
        self.refine = RunRow(
            refiner.work,
            "Refine all",
            "Outline every labelled object anew where the model is sure that it is "
            "better; for labels that are coarse or of another tool. One step to undo.",
            "Stop, and leave the labels as they are",
        )
        self.whole = QCheckBox("All planes")
        self.whole.setToolTip("Refine the whole stack, or the plane that is shown")
        self.show_table = QPushButton("What changed …")
        self.show_table.setToolTip("List what became of each object")
        grid.addWidget(self.refine, row, 0, 1, COLUMNS)
        grid.addWidget(self.show_table, row - 1, 1)
        grid.addWidget(self.whole, row - 1, 2)
        self.refine.run.clicked.connect(self._refine)
        axes.changed.connect(self.refresh)
        self.show_table.clicked.connect(self.open_table)
        refiner.work.changed.connect(self.refresh)
        refiner.changed.connect(self.refresh)
        gestures.changed.connect(self.refresh)
        session.picture_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show which edit is waited for."""
        current = self.gestures.current
        for name, button in self.buttons.items():
            button.setChecked(current is not None and current.name == name)
            button.setEnabled(self.session.picture is not None)
        result = self.refiner.result
        self.refine.refresh(
            self.session.picture is not None, "" if result is None else result.summarize()
        )
        self.whole.setVisible(bool(self.axes.long))
        self.show_table.setEnabled(result is not None)

    def _refine(self) -> None:
        self.refiner.start(whole=self.whole.isChecked() and bool(self.axes.long))

    def open_table(self) -> None:
        """List what became of each object in the last run."""
        if self.refiner.result is not None:
            self.table = RefineTable(self.refiner.result, self)
            self.table.show()

    def _ask(self, editor: Editor, name: str, _: bool = False) -> None:
        editor.ask(name)
        self.refresh()
