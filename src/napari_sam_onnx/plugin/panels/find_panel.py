"""Find: a word or boxes, what looks for it, and a button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_sam_onnx.plugin.panels.add_model import FileDrop
from napari_sam_onnx.plugin.panels.run_row import RunRow
from napari_sam_onnx.plugin.panels.widgets import fill_combo, narrow_combo, narrow_form
from napari_sam_onnx.plugin.shelf.available import list_finders

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.runs.finder import Finder
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.shelf.shelf import ModelShelf

NOTHING_HERE = (
    "Nothing here reads text yet. Get SAM 3 with text under Model, Manage …, or add a detector's "
    ".onnx: Grounding DINO with its tokenizer.json beside it, or YOLOv8 (finds without a word)."
)


class FindPanel(QWidget):
    """The form for finding objects by text."""

    def __init__(self, session: Session, shelf: ModelShelf, finder: Finder) -> None:
        super().__init__()
        self.session, self.shelf, self.finder = session, shelf, finder
        self.words = QLineEdit()
        self.words.setPlaceholderText("nucleus")
        self.words.setToolTip("One short noun phrase; detectors take several, with commas")
        self.like = QCheckBox("Like the boxes")
        self.like.setToolTip(
            "Find what looks like the boxes drawn on this plane, with or without words (SAM 3)"
        )
        self.models = narrow_combo()
        self.models.setToolTip("What looks for the text: a model or a detector")
        self.add = QPushButton("Add …")
        self.add.setToolTip("Add a detector's .onnx file")
        self.row = RunRow(
            finder.work,
            "Find",
            "Look for it on the plane that is shown, into a new labels layer",
            "Stop; nothing is written",
        )
        self.run, self.cancel = self.row.run, self.row.cancel
        self.text = QLabel()
        self.text.setWordWrap(True)
        form = narrow_form(self)
        form.addRow("Text", self.words)
        form.addRow("", self.like)
        form.addRow("By", _in_row((self.models, 1), (self.add, 0)))
        form.addRow(self.row)
        form.addRow(self.text)
        self._drop = FileDrop(self, shelf.add)
        self.words.returnPressed.connect(self.start)
        self.words.textChanged.connect(self.refresh)
        self.run.clicked.connect(self.start)
        self.add.clicked.connect(self._ask_for_file)
        session.picture_changed.connect(self.refresh)
        finder.work.changed.connect(self.refresh)
        shelf.listed.connect(self.list_models)
        self.list_models()

    def list_models(self) -> None:
        """Read again what is on this computer that can find objects."""
        entries = list_finders(self.shelf.entries)
        fill_combo(self.models, entries, self.models.currentData())
        if self.models.currentIndex() < 0 and entries:
            self.models.setCurrentIndex(0)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Show what the finder has."""
        able, busy = self.models.count() > 0, self.finder.work.busy
        self.words.setEnabled(able)
        self.like.setEnabled(able)
        self.models.setEnabled(able and not busy)
        self.row.refresh(able and self.session.plane is not None)
        unknown = self.shelf.entries is None
        self.text.setText("" if able else "Looking for models …" if unknown else NOTHING_HERE)
        self.text.setVisible(not able)

    def start(self, *_: Any) -> None:
        """Look for what is typed."""
        if self.run.isEnabled():
            finder = str(self.models.currentData())
            self.finder.start(finder, self.words.text(), like_boxes=self.like.isChecked())

    def _ask_for_file(self) -> None:
        from pathlib import Path

        path, _ = QFileDialog.getOpenFileName(self, "Choose a detector", "", "ONNX (*.onnx)")
        if path:
            self.shelf.add([Path(path)])


def _in_row(*widgets: tuple[QWidget, int]) -> QWidget:
    row = QWidget()
    beside = QHBoxLayout(row)
    beside.setContentsMargins(0, 0, 0, 0)
    beside.setSpacing(4)
    for widget, stretch in widgets:
        beside.addWidget(widget, stretch)
    return row
