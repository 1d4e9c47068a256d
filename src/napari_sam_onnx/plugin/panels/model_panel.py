"""Which model answers: those on this computer; the manager gets others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_sam_onnx.plugin.panels.add_model import FileDrop
from napari_sam_onnx.plugin.panels.model_manager import ModelManager
from napari_sam_onnx.plugin.panels.widgets import (
    fill_combo,
    narrow_combo,
    narrow_form,
    one_line,
    set_line,
)
from napari_sam_onnx.plugin.shelf.available import answers_clicks, list_clickable

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.shelf.shelf import ModelShelf


class ModelPanel(QWidget):
    """The form for the model."""

    def __init__(self, session: Session, shelf: ModelShelf) -> None:
        super().__init__()
        self.session, self.shelf = session, shelf
        self.manager: ModelManager | None = None
        self._told = ""
        self._cards: list[tuple[str, object]] = []
        self.model = narrow_combo()
        self.model.setToolTip("The model that answers prompts and finds objects")
        self.manage = QPushButton("Manage …")
        self.manage.setToolTip(
            "Get, add, measure and remove models; or drop the two .onnx files of a model here"
        )
        self.runs_on = one_line(Qt.TextElideMode.ElideRight)
        row = QWidget()
        beside = QHBoxLayout(row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(4)
        beside.addWidget(self.model, 1)
        beside.addWidget(self.manage)
        form = narrow_form(self)
        form.addRow("Model", row)
        form.addRow("Runs on", self.runs_on)
        self.model.activated.connect(self._choose)
        self.manage.clicked.connect(self.open_manager)
        self._drop = FileDrop(self, shelf.add)
        session.model_changed.connect(self.refresh)
        shelf.listed.connect(self.list_models)
        shelf.changed.connect(self._tell)
        shelf.added.connect(self._use_added)
        self.list_models()

    def list_models(self) -> None:
        """Read again which models are on this computer."""
        self._cards = list_clickable(self.shelf.entries)
        self.refresh()

    def refresh(self) -> None:
        """Show what the session has."""
        entries = self._cards
        source = self.session.source
        if not any(data == source for _, data in entries):
            entries = [*entries, (str(source), source)]
        fill_combo(self.model, entries, source)
        model = self.session.engine.loaded(source)
        if model is None:
            set_line(self.runs_on, "not loaded yet")
        else:
            set_line(self.runs_on, model.runs_on, model.description)

    def open_manager(self, *_: Any) -> None:
        """Show the model manager."""
        if self.manager is None:
            self.manager = ModelManager(self.session, self.shelf, self)
        self.manager.show()
        self.manager.raise_()
        self.manager.activateWindow()

    def shut(self) -> None:
        """Close the manager and stop what the shelf does."""
        self.shelf.close()
        if self.manager is not None:
            self.manager.close()

    @property
    def _managing(self) -> bool:
        return self.manager is not None and self.manager.isVisible()

    def _choose(self, index: int) -> None:
        self.session.choose_model(self.model.itemData(index))

    def _tell(self) -> None:
        """Say what becomes of dropped files, unless the manager says it."""
        if self.shelf.text and self.shelf.text != self._told and not self._managing:
            self.session.say(self.shelf.text, "error" if self.shelf.failed else "info")
        self._told = self.shelf.text

    def _use_added(self, card: Any) -> None:
        if answers_clicks(card) and not self._managing:
            self.session.choose_model(card.id)
