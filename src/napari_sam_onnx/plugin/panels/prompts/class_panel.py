"""Classes: their list with colours, keys and counts; which the next objects get; the brush."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QColorDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.plugin.editing.classes import KEYED
from napari_sam_onnx.plugin.panels.parts.widgets import fill_combo, narrow_combo, swatch

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent

    from napari_sam_onnx.labels.classes import ObjectClass
    from napari_sam_onnx.plugin.editing.classes import Classes

ROWS = 7
GRAY = "#9e9e9e"
FILES = "Lists of classes (*.yaml *.yml)"
LOADED = "Classes (*.yaml *.yml *.csv *.json *.geojson)"
SHOWN: list[tuple[str, object]] = [
    ("As colours", "colors"),
    ("As text", "text"),
    ("As both", "both"),
    ("Hidden", "nothing"),
]


class ClassPanel(QWidget):
    """The section of the dock.

    Parameters
    ----------
    classes : Classes
    """

    def __init__(self, classes: Classes) -> None:
        super().__init__()
        self.classes = classes
        self.name = _Line()
        self.name.setPlaceholderText("New class, or class/within")
        self.name.setToolTip("The name of a class; “cell/mitotic” is a class within “cell”")
        self.add = QPushButton("Add")
        self.add.setToolTip("Add a class of this name")
        self.load, self.save = QPushButton("Load …"), QPushButton("Save …")
        self.load.setToolTip(
            "Take a list of classes (YAML), or which object is of which class, by its number "
            "(a table, COCO, GeoJSON)"
        )
        self.save.setToolTip("Save the list of classes as a YAML file")
        self.remove = QPushButton("Remove")
        self.remove.setToolTip("Take the chosen class off the list")
        self.brush = QPushButton("Brush")
        self.brush.setCheckable(True)
        self.brush.setToolTip(
            "Click objects, or draw across them: they become of the chosen class (C)"
        )
        self.shown = narrow_combo()
        fill_combo(self.shown, SHOWN, classes.shown)
        self.shown.setToolTip("How the classes of objects are shown in the labels")
        self.rows = QTreeWidget()
        self.rows.setColumnCount(3)
        self.rows.setHeaderHidden(True)
        self.rows.setRootIsDecorated(False)
        self.rows.setUniformRowHeights(True)
        self.rows.setToolTip(
            "Click: the class of the next objects. Double-click: another colour. Ctrl and its "
            "number: accept the open object as one, or the object under the cursor becomes one."
        )
        header = self.rows.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self._more = QWidget()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        below = QVBoxLayout(self._more)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(4)
        below.addWidget(self.rows)
        for place, row in (
            (layout, (self.name, self.add, self.load)),
            (below, (self.brush, self.shown)),
            (below, (self.remove, self.save)),
        ):
            line = QHBoxLayout()
            line.setSpacing(4)
            for widget in row:
                line.addWidget(widget, 1 if widget in (self.name, self.shown, self.brush) else 0)
            place.addLayout(line)
        layout.addWidget(self._more)

        self.name.returnPressed.connect(self._add)
        self.add.clicked.connect(self._add)
        self.load.clicked.connect(self._load)
        self.save.clicked.connect(self._save)
        self.remove.clicked.connect(lambda: classes.remove(classes.current))
        self.brush.clicked.connect(self._brush)
        self.shown.activated.connect(lambda at: classes.choose_shown(self.shown.itemData(at)))
        self.rows.itemClicked.connect(self._choose)
        self.rows.itemDoubleClicked.connect(self._pick_color)
        classes.changed.connect(self.refresh)
        classes.gestures.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the classes and how many objects each has."""
        classes = self.classes
        self._more.setVisible(bool(classes.listed))
        fill_combo(self.shown, SHOWN, classes.shown)
        self.remove.setEnabled(bool(classes.current))
        current = classes.gestures.current
        self.brush.setChecked(current is not None and current.name == "class")
        before = [None, *classes.listed]
        pairs = zip(classes.listed, before, strict=False)
        texts = [_describe(one, place, last) for place, (one, last) in enumerate(pairs, start=1)]
        entries = [("", "no class", "Ctrl+0", ""), *texts]
        while self.rows.topLevelItemCount() > len(entries):
            self.rows.takeTopLevelItem(self.rows.topLevelItemCount() - 1)
        while self.rows.topLevelItemCount() < len(entries):
            self.rows.addTopLevelItem(QTreeWidgetItem())
        for place, (name, text, key, color) in enumerate(entries):
            item = self.rows.topLevelItem(place)
            count = classes.counts.get(name, 0)
            values: tuple[str, ...] = (text, key, f"{count:,}")
            for column, value in enumerate(values):
                item.setText(column, value)
            item.setData(0, Qt.ItemDataRole.UserRole, name)
            item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setForeground(1, QColor(128, 128, 128))
            item.setIcon(0, swatch(QColor(color or GRAY).getRgbF()[:3]))
            if name == classes.current:
                self.rows.setCurrentItem(item)
        line = self.rows.sizeHintForRow(0)
        self.rows.setFixedHeight(line * min(ROWS, len(entries)) + 2 * self.rows.frameWidth() + 2)

    def _add(self) -> None:
        name = self.name.text()
        if name.strip():
            self.classes.add(name)
            if name.strip() in [one.name for one in self.classes.listed]:
                self.name.clear()

    def _load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load classes", "", LOADED)
        if path:
            self.classes.load(Path(path))

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save classes", "classes.yaml", FILES)
        if path:
            self.classes.save(Path(path))

    def _brush(self, _: bool = False) -> None:
        self.classes.brush()
        self.refresh()

    def _choose(self, item: QTreeWidgetItem, *_: Any) -> None:
        self.classes.choose(item.data(0, Qt.ItemDataRole.UserRole))

    def _pick_color(self, item: QTreeWidgetItem, *_: Any) -> None:
        name = item.data(0, Qt.ItemDataRole.UserRole)
        own = next((one for one in self.classes.listed if one.name == name), None)
        if own is not None:
            chosen = QColorDialog.getColor(QColor(own.color), self.window())
            if chosen.isValid():
                self.classes.change(name, chosen.name())


class _Line(QLineEdit):
    """Keeps Enter, which would go on to the window, and accept the open object."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()


def _describe(one: ObjectClass, place: int, last: ObjectClass | None) -> tuple[str, str, str, str]:
    """Return name, text, key and colour; a class is indented under those that it is within."""
    text = one.name
    if last is not None and len(one.parts) > 1:
        within = one.parts[:-1]
        if last.parts[: len(within)] == within:
            text = "    " * len(within) + one.parts[-1]
    key = f"Ctrl+{place}" if place <= KEYED else ""
    return one.name, text, key, one.color
