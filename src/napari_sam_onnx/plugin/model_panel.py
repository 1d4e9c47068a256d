"""Which model answers: those on this computer, and files of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_sam_onnx.models.catalog import read_catalogue
from napari_sam_onnx.models.files import is_downloaded
from napari_sam_onnx.plugin.widgets import ElidedLabel, fill_combo, narrow_combo, narrow_form

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.session import Session


class ModelPanel(QWidget):
    """The form for the model."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._local: list[tuple[str, object]] = []
        self._cards: list[tuple[str, object]] = []
        self.model = narrow_combo()
        self.add = QPushButton("Add files …")
        self.add.setToolTip("Choose the encoder and the decoder of any SAM export (two ONNX files)")
        self.runs_on = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        row = QWidget()
        beside = QHBoxLayout(row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(4)
        beside.addWidget(self.model, 1)
        beside.addWidget(self.add)
        form = narrow_form(self)
        form.addRow("Model", row)
        form.addRow("Runs on", self.runs_on)
        self.model.activated.connect(self._choose)
        self.add.clicked.connect(self._add_files)
        session.changed.connect(self.refresh)
        self.list_models()

    def list_models(self) -> None:
        """Read again which models are on this computer."""
        self._cards = [
            (card.name or card.id, card.id)
            for card in read_catalogue().cards
            if card.origin == "embedded" or is_downloaded(card)
        ]
        self.refresh()

    def refresh(self) -> None:
        """Show what the session has."""
        entries = self._cards + self._local
        source = self.session.source
        if not any(data == source for _, data in entries):
            entries = [*entries, (str(source), source)]
        fill_combo(self.model, entries, source)
        model = self.session.engine.loaded(source)
        if model is None:
            self.runs_on.set_full_text("not loaded yet")
        else:
            where = getattr(model, "runs_on", None) or getattr(model, "description", model.id)
            self.runs_on.set_full_text(str(where))
            self.runs_on.setToolTip(str(getattr(model, "description", where)))

    def add_files(self, paths: tuple[str, str]) -> None:
        """Take a pair of files, in either order."""
        names = " + ".join(path.replace("\\", "/").rsplit("/", 1)[-1] for path in paths)
        if not any(data == paths for _, data in self._local):
            self._local.append((names, paths))
        self.session.choose_model(paths)

    def _choose(self, index: int) -> None:
        self.session.choose_model(self.model.itemData(index))

    def _add_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(
            self, "Choose the encoder and the decoder", "", "ONNX models (*.onnx)"
        )
        if len(chosen) == 1:
            more, _ = QFileDialog.getOpenFileName(
                self, "Choose the other file", chosen[0], "ONNX models (*.onnx)"
            )
            chosen = [*chosen, more] if more else []
        if len(chosen) == 2:
            self.add_files((chosen[0], chosen[1]))
        elif chosen:
            self.session.say(
                f"A model is an encoder and a decoder; {len(chosen)} files were chosen.", "error"
            )
