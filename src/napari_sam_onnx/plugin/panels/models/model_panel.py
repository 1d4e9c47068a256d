"""Which model answers: those on this computer; the manager gets others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_sam_onnx.models.store.card_toml import EMBEDDED_ID
from napari_sam_onnx.plugin.panels.models.add_model import FileDrop
from napari_sam_onnx.plugin.panels.models.model_manager import ModelManager
from napari_sam_onnx.plugin.panels.parts.widgets import (
    fill_combo,
    narrow_combo,
    narrow_form,
    one_line,
    set_line,
)
from napari_sam_onnx.plugin.shelf.available import answers_clicks, list_clickable
from napari_sam_onnx.plugin.shelf.hints import Hint, find_hint

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
        form = self._form = narrow_form(self)
        form.addRow("Model", row)
        form.addRow("Runs on", self.runs_on)
        form.addRow(self._make_hint())
        self.model.activated.connect(self._choose)
        self.manage.clicked.connect(self.open_manager)
        self._drop = FileDrop(self, shelf.add)
        session.model_changed.connect(self.refresh)
        session.picture_changed.connect(self._show_hint)
        shelf.listed.connect(self.list_models)
        shelf.changed.connect(self._tell)
        shelf.added.connect(self._use_added)
        self.list_models()

    def _make_hint(self) -> QWidget:
        """Make the line that says once that other models can be got."""
        self.hint: Hint | None = None
        self._quiet_on: Any = None
        self.hint_row = QWidget()
        self.hint_text = one_line(Qt.TextElideMode.ElideRight)
        self.hint_show = QPushButton("Show …")
        self.hint_show.setToolTip("List these models in the manager; nothing is downloaded")
        self.hint_away = QPushButton("×")
        self.hint_away.setToolTip("Do not say this again")
        self.hint_away.setFixedWidth(26)
        beside = QHBoxLayout(self.hint_row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(4)
        beside.addWidget(self.hint_text, 1)
        beside.addWidget(self.hint_show)
        beside.addWidget(self.hint_away)
        self.hint_row.hide()
        self.hint_show.clicked.connect(self._follow_hint)
        self.hint_away.clicked.connect(self._put_hint_away)
        return self.hint_row

    def _show_hint(self, *_: Any) -> None:
        """Say once for each kind of picture that there are models for it."""
        plain = self.session.source == EMBEDDED_ID
        picture = self.session.picture if plain else None
        if picture is not None and picture.main is self._quiet_on:
            picture = None
        self.hint = find_hint(picture, self.shelf.entries, self.shelf.told)
        if self.hint is not None:
            set_line(
                self.hint_text,
                self.hint.text,
                f"{self.hint.text} can be got for pictures like this one.",
            )
        self.hint_row.setVisible(self.hint is not None)
        self._form.setRowVisible(self.runs_on, self.hint is None)  # one of both, for low screens

    def _follow_hint(self, *_: Any) -> None:
        hint = self.hint
        self.open_manager()
        if hint is not None and self.manager is not None:
            self.manager.show_purpose(hint.purpose)
        self._put_hint_away()

    def _put_hint_away(self, *_: Any) -> None:
        if self.hint is not None:
            self.shelf.tell(self.hint.purpose)
        picture = self.session.picture
        self._quiet_on = None if picture is None else picture.main  # one hint a picture is enough
        self._show_hint()

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
        self._show_hint()

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
