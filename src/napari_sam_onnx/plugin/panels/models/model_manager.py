"""The model manager: a window with every model, and what can be done with the chosen one."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.models.store.cards import PURPOSES, describe_size
from napari_sam_onnx.models.store.disk import format_bytes
from napari_sam_onnx.plugin.panels.models.add_model import AddModelDialog, FileDrop
from napari_sam_onnx.plugin.panels.models.model_table import ModelView
from napari_sam_onnx.plugin.shelf.available import answers_clicks
from napari_sam_onnx.plugin.shelf.rows import describe_model, make_rows

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent

    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.shelf.entry import ShelfEntry
    from napari_sam_onnx.plugin.shelf.shelf import ModelShelf

_TICK = 150  # ms between two looks at downloads that run
_GRAY = "#8a8d91"


class ModelManager(QDialog):
    """Get, remove, add, measure and choose models. Does not block the viewer.

    Parameters
    ----------
    session : Session
        Uses the chosen model.
    shelf : ModelShelf
        Has the models.
    parent : QWidget
        Its style is taken over.
    """

    def __init__(self, session: Session, shelf: ModelShelf, parent: QWidget) -> None:
        super().__init__(parent)
        self.session, self.shelf = session, shelf
        self.setWindowTitle("Models")
        self.resize(960, 620)
        self.words = QLineEdit()
        self.words.setPlaceholderText("Filter by name, family or licence")
        self.words.setClearButtonEnabled(True)
        self.words.setToolTip("Only models with these words are listed")
        self.here = QCheckBox("On this computer")
        self.here.setToolTip("List only models whose files are here")
        self.purpose = QComboBox()
        self.purpose.addItem("All kinds", "")
        for key, text in PURPOSES.items():
            self.purpose.addItem(text, key)
        self.purpose.setToolTip("List only models that are made for this kind of picture or use")
        self.view = ModelView()
        self.nothing = QLabel()
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.nothing.setWordWrap(True)
        self.details = QLabel()
        self.details.setWordWrap(True)
        self.details.setTextFormat(Qt.TextFormat.RichText)
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.details.setMinimumHeight(150)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.use = QPushButton("Use")
        self.use.setToolTip("Answer prompts with this model; labels and prompts stay")
        self.get = QPushButton("Download")
        self.get.setToolTip("Fetch the model's files; they are checked and kept on this computer")
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("What has arrived is kept and continued next time")
        self.measure = QPushButton("Measure")
        self.measure.setToolTip("Time this model on a plane of 1024 × 1024 pixels")
        self.remove = QPushButton("Remove …")
        self.remove.setToolTip("Delete the model's files from this computer")
        self.add = QPushButton("Add files …")
        self.add.setToolTip("Add any SAM export; or drop its two .onnx files on this window")
        for button in self._buttons:
            button.setAutoDefault(False)
        self._arrange()
        self._drop = FileDrop(self, shelf.add)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK)
        self._awaited = ""

        self._timer.timeout.connect(self._tick)
        self.words.textChanged.connect(self._filter)
        self.here.toggled.connect(self._filter)
        self.purpose.currentIndexChanged.connect(self._filter)
        self.view.selectionModel().selectionChanged.connect(self._show_chosen)
        self.view.doubleClicked.connect(self._on_double_click)
        self.use.clicked.connect(self._use)
        self.get.clicked.connect(lambda: self._with_chosen(shelf.fetch))
        self.cancel.clicked.connect(lambda: self._with_chosen(shelf.cancel))
        self.measure.clicked.connect(lambda: self._with_chosen(shelf.measure))
        self.remove.clicked.connect(self._ask_to_remove)
        self.add.clicked.connect(self._ask_for_files)
        shelf.changed.connect(self.refresh)
        shelf.added.connect(self._choose_added)
        session.model_changed.connect(self._show_chosen)
        self.destroyed.connect(_disconnector(self, shelf, session))
        self.refresh()

    @property
    def _buttons(self) -> tuple[QPushButton, ...]:
        return (self.use, self.get, self.cancel, self.measure, self.remove, self.add)

    @property
    def _red(self) -> str:
        return self.view.table.error_color

    def _arrange(self) -> None:
        head, foot = QHBoxLayout(), QHBoxLayout()
        head.addWidget(self.words, 1)
        head.addWidget(self.purpose)
        head.addWidget(self.here)
        head.addWidget(self.add)
        for button in self._buttons[:-1]:
            foot.addWidget(button)
        foot.addStretch(1)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.view)
        self._pages.addWidget(self.nothing)
        layout = QVBoxLayout(self)
        layout.setSpacing(6)
        layout.addLayout(head)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self.details)
        layout.addLayout(foot)
        layout.addWidget(self.said)

    def showEvent(self, event: QShowEvent) -> None:
        """Look at what there is whenever the window opens."""
        super().showEvent(event)
        self.shelf.reload()
        self._timer.start()

    def show_purpose(self, purpose: str) -> None:
        """List the models that are made for something, a key of `PURPOSES`."""
        self.words.clear()
        self.here.setChecked(False)
        self.purpose.setCurrentIndex(max(0, self.purpose.findData(purpose)))

    def refresh(self) -> None:
        """Show what the shelf has."""
        self.view.table.fit_theme(_is_light(self.session.viewer.theme))
        chosen = self.view.chosen
        self.view.table.show_rows(make_rows(self.shelf))
        if chosen != self.view.chosen and chosen is not None:
            self.view.choose(chosen)
        if self.view.chosen is None and self.view.filter.rowCount():
            if not self.view.choose(str(self.session.source)):
                self.view.selectRow(0)
        if self._awaited and self.view.choose(self._awaited):
            self._awaited = ""
        self._show_page()
        self._show_chosen()
        text, color = self.shelf.text, self._red if self.shelf.failed else _GRAY
        if not text and self.shelf.problems:
            text, color = " ".join(self.shelf.problems), self._red
        self.said.setText(text)
        self.said.setStyleSheet(f"QLabel {{ padding: 4px 8px; border-left: 4px solid {color}; }}")
        self._show_said()

    def _tick(self) -> None:
        if not self.isVisible():
            self._timer.stop()
        elif self.shelf.fetching:
            self.view.table.show_rows(make_rows(self.shelf))
            self._show_chosen()

    def _filter(self, *_: Any) -> None:
        self.view.filter.keep(self.words.text(), self.here.isChecked(), self.purpose.currentData())
        self.refresh()

    def _show_page(self) -> None:
        """Show the table, or a sentence where it would be empty."""
        if self.view.filter.rowCount():
            self._pages.setCurrentWidget(self.view)
            return
        words = self.words.text().strip()
        if self.shelf.entries is None:
            text = "Looking for models …"
        elif words:
            where = " on this computer" if self.here.isChecked() else ""
            text = f"No model{where} has “{words}” in its name, family or licence."
        elif self.purpose.currentData():
            where = " on this computer" if self.here.isChecked() else ""
            text = f"No model{where} of this kind; choose “All kinds”."
        else:
            text = "There is no model here."
        self.nothing.setText(text)
        self._pages.setCurrentWidget(self.nothing)

    def _show_chosen(self, *_: Any) -> None:
        """Show what is known of the chosen model and what can be done with it."""
        chosen = self.view.chosen
        entry = None if chosen is None else self.shelf.entry(chosen)
        fetching = chosen is not None and chosen in self.shelf.fetching
        here = entry is not None and entry.here
        clicks = entry is not None and answers_clicks(entry.card)
        used = entry is not None and self.session.source == chosen
        self.use.setEnabled(here and clicks and not used)
        self.use.setText("In use" if used else "Use")
        self.get.setVisible(not fetching)
        self.get.setEnabled(entry is not None and not here)
        self.get.setText(_name_get(self.shelf, entry))
        self.cancel.setVisible(fetching)
        self.cancel.setEnabled(fetching and not self.shelf.fetching[chosen or ""].cancelled)
        self.measure.setEnabled(here and clicks and chosen not in self.shelf.measuring)
        self.remove.setEnabled(entry is not None and not fetching and _is_removable(entry))
        text = "" if entry is None else _describe(self.shelf, entry, self._red)
        if text != self.details.text():
            self.details.setText(text)
        self._show_said()

    def _show_said(self) -> None:
        """Show what was said last, unless the details of the chosen model say it already."""
        text = self.said.text()
        told = text == self.shelf.failures.get(self.view.chosen or "")
        self.said.setVisible(bool(text) and not told)

    def _with_chosen(self, act: Any) -> None:
        if self.view.chosen is not None:
            act(self.view.chosen)

    def _use(self, *_: Any) -> None:
        if self.view.chosen is not None:
            self.session.choose_model(self.view.chosen)
            self._show_chosen()

    def _on_double_click(self, *_: Any) -> None:
        if self.use.isEnabled():
            self._use()

    def _choose_added(self, card: Any) -> None:
        """Show a model that was added as soon as the list has it."""
        self._awaited = card.id
        self.words.clear()

    def _ask_to_remove(self) -> None:
        chosen = self.view.chosen
        entry = None if chosen is None else self.shelf.entry(chosen)
        if entry is None:
            return
        added = entry.card.origin == "user"
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Remove a model")
        size = format_bytes(entry.nbytes)
        text = f"Remove {entry.card.name} from this computer ({size})?"
        if added:
            text += " It was added from files, so it leaves the list too."
        if self.session.source == chosen:
            text += " It is in use; the embedded model takes over."
        box.setText(text)
        yes = box.addButton("Remove", QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(box.addButton("Keep", QMessageBox.ButtonRole.RejectRole))
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.buttonClicked.connect(lambda pressed: self._remove(entry) if pressed is yes else None)
        box.open()

    def _remove(self, entry: ShelfEntry) -> None:
        if self.session.source == entry.card.id:
            self.session.choose_model("pebble")
        self.shelf.remove(entry.card.id)

    def _ask_for_files(self) -> None:
        dialog = AddModelDialog(self.shelf, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()


def _disconnector(manager: ModelManager, shelf: ModelShelf, session: Session) -> Any:
    """Return a function that lets go of the signals, when the widgets are gone already."""
    slots = (
        (shelf.changed, manager.refresh),
        (shelf.added, manager._choose_added),
        (session.model_changed, manager._show_chosen),
    )

    def disconnect(*_: Any) -> None:
        for signal, slot in slots:
            signal.disconnect(slot, missing_ok=True)

    return disconnect


def _is_light(theme: str) -> bool:
    """Whether a theme of napari's has a light background."""
    return bool(sum(get_theme(theme).background.as_rgb_tuple()[:3]) > 3 * 127)


def _is_removable(entry: ShelfEntry) -> bool:
    """Whether anything can be deleted: files of ours, or a card that was added."""
    return entry.card.origin == "user" or (entry.card.origin == "catalogue" and entry.nbytes > 0)


def _name_get(shelf: ModelShelf, entry: ShelfEntry | None) -> str:
    """Name the download button by what it will do."""
    if entry is None or entry.here:
        return "Download"
    if entry.card.id in shelf.failures:
        return "Try again"
    if entry.nbytes:
        return "Go on downloading"
    return f"Download {describe_size(entry.card)}".rstrip()


def _describe(shelf: ModelShelf, entry: ShelfEntry, red: str) -> str:
    """Write the details of a model as rich text."""
    card = entry.card
    lines = [f"<b>{escape(card.name)}</b> &nbsp;<code>{escape(card.id)}</code>"]
    failure = shelf.failures.get(card.id)
    if failure:
        lines.append(f"<span style='color:{red}'>{escape(failure)}</span>")
    if not answers_clicks(card):
        lines.append("Finds objects, most by a word: choose it in the section “Find”.")
    lines += [f"{heading}: {escape(text)}" for heading, text in describe_model(entry)]
    return "<br>".join(lines)
