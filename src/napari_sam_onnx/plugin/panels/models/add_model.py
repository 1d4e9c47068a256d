"""Add a model from files: a small form, and files that are dropped on a widget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.plugin.panels.parts.widgets import narrow_form
from napari_sam_onnx.plugin.shelf.shelf import find_common_name, make_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QMimeData

    from napari_sam_onnx.plugin.shelf.shelf import ModelShelf

_FILTER = "ONNX models (*.onnx)"


class AddModelDialog(QDialog):
    """Asks for the files of a model, its id and its name.

    Parameters
    ----------
    shelf : ModelShelf
        Checks and adds them.
    parent : QWidget
    """

    def __init__(self, shelf: ModelShelf, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Add a model from files")
        self.setMinimumWidth(460)
        self._shelf = shelf
        self.encoder, self.decoder = QLineEdit(), QLineEdit()
        self.decoder.setPlaceholderText("leave empty where one file is both")
        self.id, self.name, self.licence = QLineEdit(), QLineEdit(), QLineEdit()
        self.id.setPlaceholderText("made of the file's name")
        self.name.setPlaceholderText("made of the file's name")
        self.licence.setPlaceholderText("unknown")
        self.copy = QCheckBox("Copy into the folder of models")
        self.copy.setChecked(True)
        self.copy.setToolTip("Otherwise the files stay where they are and must not change")
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.add = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        self.add.setText("Check and add")
        fields = QWidget()
        form = narrow_form(fields)
        form.addRow("Encoder", _with_button(self.encoder, self))
        form.addRow("Decoder", _with_button(self.decoder, self))
        form.addRow("Id", self.id)
        form.addRow("Name", self.name)
        form.addRow("Licence", self.licence)
        form.addRow("", self.copy)
        hint = QLabel(
            "Any SAM export. The files are opened first, and what kind they are is read from "
            "their own inputs and outputs; weights in a file of their own must lie beside it."
        )
        hint.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(hint)
        layout.addWidget(fields)
        layout.addWidget(self.buttons)
        self.encoder.textChanged.connect(self._suggest)
        self.decoder.textChanged.connect(self._suggest)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._suggest()

    def accept(self) -> None:
        """Hand the files over; what is wrong with them shows in the manager."""
        self._shelf.add(
            self._paths(),
            self.id.text().strip(),
            self.name.text().strip(),
            self.licence.text().strip(),
            copy=self.copy.isChecked(),
        )
        super().accept()

    def _paths(self) -> list[Path]:
        texts = (self.encoder.text().strip(), self.decoder.text().strip())
        return [Path(text) for text in texts if text]

    def _suggest(self) -> None:
        """Show the id and the name that the files will get where none is typed."""
        paths = self._paths()
        self.add.setEnabled(bool(self.encoder.text().strip()))
        taken = [entry.card.id for entry in self._shelf.entries or ()]
        self.id.setPlaceholderText(make_id(paths, taken) if paths else "made of the file's name")
        self.name.setPlaceholderText(
            find_common_name(paths) if paths else "made of the file's name"
        )


class FileDrop(QObject):
    """Lets .onnx files be dropped on a widget.

    Parameters
    ----------
    widget : QWidget
    dropped : callable
        Called with the paths.
    """

    def __init__(self, widget: QWidget, dropped: Callable[[list[Path]], None]) -> None:
        super().__init__(widget)
        self._dropped = dropped
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take what is a model; leave everything else to others."""
        if event.type() in (QEvent.Type.DragEnter, QEvent.Type.DragMove):
            if list_models(event.mimeData()):
                event.acceptProposedAction()
                return True
        elif event.type() == QEvent.Type.Drop:
            paths = list_models(event.mimeData())
            if paths:
                event.acceptProposedAction()
                self._dropped(paths)
                return True
        return bool(super().eventFilter(watched, event))


def list_models(data: QMimeData) -> list[Path]:
    """List the .onnx files of this computer among what is dragged."""
    paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
    return [path for path in paths if path.suffix.lower() == ".onnx"]


def _with_button(line: QLineEdit, parent: QDialog) -> QWidget:
    """Put a button that chooses a file beside a line."""

    def choose() -> None:
        path, _ = QFileDialog.getOpenFileName(parent, "Choose a file", line.text(), _FILTER)
        if path:
            line.setText(path)

    row, button = QWidget(), QPushButton("Browse …")
    beside = QHBoxLayout(row)
    beside.setContentsMargins(0, 0, 0, 0)
    beside.addWidget(line, 1)
    beside.addWidget(button)
    button.setAutoDefault(False)
    button.clicked.connect(choose)
    return row
