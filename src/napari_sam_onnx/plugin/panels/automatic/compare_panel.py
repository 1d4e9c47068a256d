"""Comparison: which models to ask, and their masks side by side."""

from __future__ import annotations

from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QGridLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.plugin.panels.parts.run_row import RunRow
from napari_sam_onnx.plugin.panels.parts.widgets import make_pixmap, one_line, set_line
from napari_sam_onnx.plugin.runs.thumbnails import draw_thumbnail, find_region
from napari_sam_onnx.plugin.shelf.available import list_clickable
from napari_sam_onnx.plugin.shelf.rows import format_ms

if TYPE_CHECKING:
    from qtpy.QtGui import QPixmap

    from napari_sam_onnx.plugin.runs.comparison import Compared, Comparison
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.shelf.shelf import ModelShelf

SIDE = 124  # pixels of a thumbnail
_COLUMNS = 2


class ResultCard(QWidget):
    """One answer: a thumbnail, what it is worth, what it cost, and a button to take it."""

    def __init__(self, result: Compared, picture: QPixmap | None) -> None:
        super().__init__()
        self.title = one_line()
        set_line(self.title, result.title)
        self.picture = QLabel()
        self.picture.setMinimumHeight(24)
        self.facts = QLabel(describe_answer(result))
        self.facts.setWordWrap(True)
        if result.answer.mask is not None:
            self.facts.setToolTip(f"{result.answer.mask.area:,} px; the IoU is the model's guess")
        self.take = QPushButton("Take")
        self.take.setToolTip("Make this mask the preview; N commits it")
        if picture is not None:
            self.picture.setPixmap(picture)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(2)
        for widget in (self.title, self.picture, self.facts):
            layout.addWidget(widget)
        layout.addStretch(1)
        if result.answer.mask is not None:
            layout.addWidget(self.take)


class ComparePanel(QWidget):
    """The form for comparing models on the current prompts."""

    def __init__(self, session: Session, shelf: ModelShelf, comparison: Comparison) -> None:
        super().__init__()
        self.session, self.shelf, self.comparison = session, shelf, comparison
        self.models = QListWidget()
        self.models.setToolTip("Models on this computer; tick those to ask")
        self.models.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.models.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.models.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.row = RunRow(
            comparison.work,
            "Compare",
            "Let each ticked model answer the prompts that are open",
            "Stop after the model that is being asked; answers stay",
        )
        self.run, self.cancel = self.row.run, self.row.cancel
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.cards: list[ResultCard] = []
        self._shown: list[Compared] = []
        self._results = QWidget()
        self._grid = QGridLayout(self._results)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(8)
        for column in range(_COLUMNS):
            self._grid.setColumnStretch(column, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        layout.addWidget(self.models)
        layout.addWidget(self.row)
        layout.addWidget(self.text)
        layout.addWidget(self._results)
        self.models.itemChanged.connect(self.refresh)
        self.run.clicked.connect(self.start)
        session.prompts_changed.connect(self.refresh)
        shelf.listed.connect(self.list_models)
        comparison.work.changed.connect(self.refresh)
        self.list_models()

    @property
    def ticked(self) -> list[tuple[str, Any]]:
        """Name and source of the models to ask."""
        items = [self.models.item(row) for row in range(self.models.count())]
        return [
            (item.text(), item.data(Qt.ItemDataRole.UserRole))
            for item in items
            if item.checkState() == Qt.CheckState.Checked
        ]

    def list_models(self) -> None:
        """Read again which models are on this computer; ticks stay."""
        kept = [source for _, source in self.ticked]
        present = list_clickable(self.shelf.entries)
        few = len(present) <= 3  # then all of them are meant
        blocked = self.models.blockSignals(True)
        self.models.clear()
        for name, source in present:
            item = QListWidgetItem(name)
            item.setToolTip(f"{name} ({source})")
            item.setData(Qt.ItemDataRole.UserRole, source)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            on = source in kept or (few and not kept)
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
            self.models.addItem(item)
        self.models.blockSignals(blocked)
        rows = min(max(len(present), 1), 5)
        self.models.setFixedHeight(rows * max(self.models.sizeHintForRow(0), 18) + 6)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Show what the comparison has."""
        comparison, request = self.comparison, self.session.request
        asked = request is not None and request.answerable
        self.row.refresh(asked and len(self.ticked) > 1)
        if self._shown != comparison.results:
            self._show_results()
        for card in self.cards:
            card.take.setEnabled(comparison.current)
        self.text.setText(self._describe(asked))
        self.text.setVisible(bool(self.text.text()))

    def start(self, *_: Any) -> None:
        """Ask the ticked models."""
        self.comparison.start(self.ticked)

    def _describe(self, asked: bool) -> str:
        comparison = self.comparison
        if comparison.work.busy:
            return ""
        if self.shelf.entries is None:
            return "Looking for models …"
        if self.models.count() < 2:
            return "Only one model is on this computer; get another one under Model, Manage …"
        if comparison.results and not comparison.current:
            return "The prompts have changed since; compare again."
        if comparison.results:
            return ""
        if not asked:
            return "Click on an object, then let several models answer."
        return "" if len(self.ticked) > 1 else "Tick two models or more."

    def _show_results(self) -> None:
        """Draw all answers anew, since each may widen the part of the plane that is shown."""
        for card in self.cards:
            self._grid.removeWidget(card)
            card.setParent(None)
            card.deleteLater()
        self._shown = list(self.comparison.results)
        pictures = self._draw()
        self.cards = [ResultCard(*pair) for pair in zip(self._shown, pictures, strict=True)]
        for number, card in enumerate(self.cards):
            card.take.clicked.connect(partial(self._take, number))
            self._grid.addWidget(card, number // _COLUMNS, number % _COLUMNS)

    def _draw(self) -> list[QPixmap | None]:
        rgb = self.comparison.rgb
        masks = [result.answer.mask for result in self._shown]
        if rgb is None:
            return [None] * len(masks)
        region = find_region([m for m in masks if m is not None], (rgb.shape[0], rgb.shape[1]))
        return [
            None if mask is None else make_pixmap(draw_thumbnail(rgb, mask, region, SIDE))
            for mask in masks
        ]

    def _take(self, number: int, *_: Any) -> None:
        self.comparison.take(number)


def describe_answer(result: Compared) -> str:
    """Say what a mask is worth and what it cost."""
    answer = result.answer
    if answer.mask is None:
        return answer.problem
    score = answer.mask.predicted_iou
    iou = f"{min(1.0, max(0.0, score)):.2f}" if isfinite(score) else "–"
    lines = [f"IoU {iou}"]
    if answer.decode_ms:
        encode = answer.encode_ms
        lines.append("encoded before" if encode is None else f"encode {format_ms(encode)}")
        lines.append(f"decode {format_ms(answer.decode_ms)}")
    return "\n".join(lines)
