"""Find: a word or boxes, what looks for it and where, and a button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_sam_onnx.plugin.panels.models.add_model import FileDrop
from napari_sam_onnx.plugin.panels.parts.hands import ignore_wheel
from napari_sam_onnx.plugin.panels.parts.run_row import RunRow
from napari_sam_onnx.plugin.panels.parts.widgets import fill_combo, narrow_combo, narrow_form
from napari_sam_onnx.plugin.picture.shown import layer_shape
from napari_sam_onnx.plugin.runs.stack import StackRun
from napari_sam_onnx.plugin.session.stack_axes import DEPTH, TIME
from napari_sam_onnx.plugin.shelf.available import list_finders
from napari_sam_onnx.stacks import WholeRequest

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.runs.finder import Finder
    from napari_sam_onnx.plugin.runs.stack import StackRuns
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.shelf.shelf import ModelShelf

NOTHING_HERE = (
    "Nothing here reads text yet. Get SAM 3 with text under Model, Manage …, or add a detector's "
    ".onnx: Grounding DINO with its tokenizer.json beside it, or YOLOv8 (finds without a word)."
)


AS = {
    "volume": "Volume, in three views",
    "stitched": "Planes, put together",
    "tracks": "Tracks (in time)",
}
"""What networks of flows make of a stack."""


class FindPanel(QWidget):
    """The form for finding objects by text, by examples, or all of a kind.

    Parameters
    ----------
    session : Session
    shelf : ModelShelf
    finder : Finder
        Searches planes.
    stacks : StackRuns
        Makes volumes and tracks by networks of flows.
    """

    def __init__(
        self, session: Session, shelf: ModelShelf, finder: Finder, stacks: StackRuns
    ) -> None:
        super().__init__()
        self.session, self.shelf, self.finder = session, shelf, finder
        self.stacks = stacks
        self.words = QLineEdit()
        self.words.setPlaceholderText("nucleus")
        self.words.setToolTip("One short noun phrase; detectors take several, with commas")
        self.like = QCheckBox("Like the boxes")
        self.like.setToolTip(
            "Find what looks like the boxes drawn on this plane, with or without words (SAM 3). A "
            "box that has a click in it that excludes shows what is not wanted."
        )
        self.models = narrow_combo()
        self.models.setToolTip("What looks for the text: a model or a detector")
        self.scope = narrow_combo()
        self.scope.setToolTip("The plane that is shown, or every plane of the picture")
        self.kind = narrow_combo()
        self.kind.setToolTip("What is made of the stack")
        self.tile = QSpinBox()
        self.tile.setRange(0, 8192)
        self.tile.setSingleStep(128)
        self.tile.setSuffix(" px")
        self.tile.setSpecialValueText("none")
        self.tile.setToolTip(
            "Look at planes in tiles of this side, so that small objects are seen; none: as a whole"
        )
        ignore_wheel(self.tile)
        self.add = QPushButton("Add …")
        self.add.setToolTip("Add a detector's .onnx file")
        self.row = RunRow(
            finder.work,
            "Find",
            "Look for it, into a new labels layer",
            "Stop; planes that are finished stay",
        )
        self.run, self.cancel = self.row.run, self.row.cancel
        self.text = QLabel()
        self.text.setWordWrap(True)
        self._form = form = narrow_form(self)
        form.addRow("Text", self.words)
        form.addRow("", self.like)
        form.addRow("By", _in_row((self.models, 1), (self.add, 0)))
        form.addRow("Planes", self.scope)
        form.addRow("As", self.kind)
        form.addRow("Tiles", self.tile)
        form.addRow(self.row)
        form.addRow(self.text)
        self._drop = FileDrop(self, shelf.add)
        self.words.returnPressed.connect(self.start)
        self.words.textChanged.connect(self.refresh)
        self.run.clicked.connect(self.start)
        self.add.clicked.connect(self._ask_for_file)
        self.models.activated.connect(self.refresh)
        self.scope.activated.connect(self.refresh)
        session.picture_changed.connect(self.refresh)
        stacks.axes.changed.connect(self.refresh)
        stacks.work.changed.connect(self.refresh)
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
        able = self.models.count() > 0
        busy = self.finder.work.busy or self.stacks.work.busy
        flows = able and self._takes_no_prompts()
        self.words.setEnabled(able and not flows)
        self.like.setEnabled(able and not flows)
        self._list_planes(flows)
        self.models.setEnabled(able and not busy)
        stack = flows and bool(self.scope.currentData())
        self.row.follow(self.stacks.work if stack else self.finder.work)
        self.row.refresh(able and self.session.plane is not None)
        unknown = self.shelf.entries is None
        self.text.setText("" if able else "Looking for models …" if unknown else NOTHING_HERE)
        self.text.setVisible(not able)

    def start(self, *_: Any) -> None:
        """Look for what is typed."""
        if not self.run.isEnabled():
            return
        finder, whole = str(self.models.currentData()), bool(self.scope.currentData())
        if self._takes_no_prompts():
            if whole:
                request = WholeRequest(str(self.kind.currentData()))
                self.stacks.start(StackRun(request, source=finder))
            else:
                self.finder.start(finder, "")
            return
        self.finder.start(
            finder,
            self.words.text(),
            like_boxes=self.like.isChecked(),
            whole=whole,
            tile_side=self.tile.value(),
        )

    def _takes_no_prompts(self) -> bool:
        """Whether what is chosen finds all objects of a kind, and is asked nothing."""
        name = self.models.currentData()
        cards = (entry.card for entry in self.shelf.entries or ())
        files = next((card.files for card in cards if card.id == name), ())
        return any(file.role == "flows" for file in files)

    def _list_planes(self, flows: bool) -> None:
        """Offer the stack where there is one, and what can be made of it."""
        picture, axes = self.session.picture, self.stacks.axes
        count = 1
        if picture is not None:
            for axis in axes.long:
                count *= layer_shape(picture.main)[axis]
        planes: list[tuple[str, object]] = [("This plane", False)]
        planes += [(f"Whole stack: {count} planes", True)] * (count > 1)
        fill_combo(self.scope, planes, count > 1 and self.scope.currentData() is True)
        whole = self.scope.currentData() is True
        depth, time = axes.axis_of(DEPTH) is not None, axes.axis_of(TIME) is not None
        kinds = ["tracks"] * time + ["volume", "stitched"] * depth
        fill_combo(self.kind, [(AS[kind], kind) for kind in kinds], self.kind.currentData())
        if self.kind.currentIndex() < 0 and kinds:
            self.kind.setCurrentIndex(0)
        self._form.setRowVisible(self.scope, count > 1 and (bool(kinds) or not flows))
        self._form.setRowVisible(self.kind, whole and flows)
        self._form.setRowVisible(self.tile, not flows)

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
