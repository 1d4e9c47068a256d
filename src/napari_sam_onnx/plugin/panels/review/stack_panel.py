"""Corrections of whole objects over all planes of a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.plugin.panels.parts.hands import ignore_wheel
from napari_sam_onnx.plugin.panels.parts.widgets import narrow_form
from napari_sam_onnx.plugin.session.stack_axes import DEPTH, TIME

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from napari_sam_onnx.plugin.review import StackEdits
    from napari_sam_onnx.plugin.runs.propagation import Propagation

HIGHEST_SPIN = 2**31 - 1


class StackPanel(QWidget):
    """Buttons for the object that is selected in the label image.

    Parameters
    ----------
    edits : StackEdits
    propagation : Propagation
    """

    def __init__(self, edits: StackEdits, propagation: Propagation) -> None:
        super().__init__()
        self.edits, self.propagation = edits, propagation
        self._watched: Any = None
        self.label = QSpinBox()
        self.label.setRange(0, HIGHEST_SPIN)
        self.label.setKeyboardTracking(False)
        self.label.setToolTip("The object that the buttons change; keys take that under the cursor")
        ignore_wheel(self.label)
        head = QWidget()
        form = narrow_form(head)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Object", self.label)
        grid = QGridLayout()
        grid.setSpacing(4)
        self.carry = QPushButton("Carry the object through the stack")
        self.carry.setToolTip(
            "The open object, or the selected one, on all its planes (Shift+G); by the model's "
            "memory, where it has one"
        )
        self.carry.clicked.connect(lambda: propagation.start(None))
        self.first, self.last = _plane_box("first", 0), _plane_box("last", -1)
        tip = "Stop planes, as the slider counts them: no object is carried beyond"
        stops = QWidget()
        row = QHBoxLayout(stops)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for box, word in ((self.first, ""), (self.last, "to")):
            if word:
                row.addWidget(QLabel(word))
            box.setToolTip(tip)
            row.addWidget(box, 1)
            box.valueChanged.connect(self._stop)
        self.buttons: dict[str, QPushButton] = {}
        actions: tuple[tuple[str, str, str, Callable[[], None]], ...] = (
            ("join", "Join …", "Make it one with another object (Shift+M)", edits.join),
            ("split", "Split here", "A new number from this plane on (Shift+X)", edits.split),
            (
                "before",
                "Cut before",
                "Remove it before this plane (Shift+Left)",
                self._before,
            ),
            ("after", "Cut after", "Remove it after this plane (Shift+Right)", self._after),
            ("divide", "Divides …", "Name its two daughters (Shift+D)", edits.divide),
            ("delete", "Delete", "Remove it from all planes (Shift+K)", edits.delete),
            ("keep", "Keep", "It is right: take its places off the list", edits.keep),
            ("find", "Doubtful", "List places that deserve a look", edits.find_doubtful),
        )
        for number, (name, title, tip, act) in enumerate(actions):
            button = self.buttons[name] = QPushButton(title)
            button.setToolTip(tip)
            button.setStyleSheet("QPushButton { padding: 4px 2px; }")
            button.clicked.connect(lambda _=False, act=act: act())
            grid.addWidget(button, number // 4, number % 4)
        carried = QWidget()
        below = narrow_form(carried)
        below.setContentsMargins(0, 0, 0, 0)
        below.addRow("Planes", stops)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        layout.addWidget(head)
        layout.addLayout(grid)
        layout.addWidget(carried)
        layout.addWidget(self.carry)
        self.label.valueChanged.connect(self._select)
        self._on_axes()
        edits.changed.connect(self.refresh)
        edits.axes.changed.connect(self.refresh)
        edits.axes.changed.connect(self._on_axes)
        edits.commits.labels.changed.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Show which object is selected, and what waits for another."""
        layer = self.edits.commits.labels.layer
        if layer is not self._watched:
            self.shut()
            if layer is not None:
                layer.events.selected_label.connect(self.refresh)
            self._watched = layer
        self.label.blockSignals(True)
        self.label.setValue(0 if layer is None else min(int(layer.selected_label), HIGHEST_SPIN))
        self.label.blockSignals(False)
        able = layer is not None and bool(self.edits.axes.long)
        for widget in (self.carry, self.first, self.last):
            widget.setEnabled(bool(self.edits.axes.long))
        for widget in (self.label, *self.buttons.values()):
            widget.setEnabled(able)
        waiting = self.edits.waiting
        self.buttons["join"].setText("… with this" if waiting == "join" else "Join …")
        self.buttons["divide"].setText("… into this" if waiting == "divide" else "Divides …")

    def _on_axes(self) -> None:
        """Carry through the whole of another picture."""
        self.first.setValue(0)
        self.last.setValue(-1)
        axes, picture = self.edits.axes, self.edits.axes.session.picture
        along = [axes.axis_of(role) for role in (TIME, DEPTH)]
        axis = next((axis for axis in along if axis is not None), None)
        most = 0 if picture is None or axis is None else picture.shape[axis] - 1
        self.first.setMaximum(most)
        self.last.setMaximum(most)

    def _stop(self) -> None:
        last = self.last.value()
        self.propagation.span = self.first.value(), None if last < 0 else last

    def shut(self) -> None:
        """Listen to no label image any more."""
        if self._watched is not None:
            self._watched.events.selected_label.disconnect(self.refresh)
            self._watched = None

    def _select(self, label: int) -> None:
        if self._watched is not None:
            self._watched.selected_label = label

    def _before(self) -> None:
        self.edits.cut(after=False)

    def _after(self) -> None:
        self.edits.cut(after=True)


def _plane_box(word: str, least: int) -> QSpinBox:
    """Make a box for the number of a plane, which shows a word where it is the least."""
    box = QSpinBox()
    box.setRange(least, 0)
    box.setSpecialValueText(word)
    box.setKeyboardTracking(False)
    ignore_wheel(box)
    return box
