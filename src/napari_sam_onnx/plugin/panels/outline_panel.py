"""Outlines: what was learnt from accepted objects, how masks are tidied up, how they are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.plugin.panels.hands import ignore_wheel
from napari_sam_onnx.plugin.panels.widgets import FewLines, narrow_form
from napari_sam_onnx.style import LEAST_OBJECTS

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.session.commits import Commits
    from napari_sam_onnx.plugin.session.styles import Styles


class OutlinePanel(QWidget):
    """The form for outlines."""

    def __init__(self, commits: Commits, styles: Styles) -> None:
        super().__init__()
        self.commits, self.styles = commits, styles
        self.learnt = FewLines(2)
        self.learn = QCheckBox("Learn from what I accept")
        self.learn.setToolTip(
            "Outline the next objects as tightly as those that were accepted, and begin with the "
            "candidate that was wanted"
        )
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Forget what was learnt: the model's own outlines again")
        self.smoothing = QDoubleSpinBox()
        self.smoothing.setRange(0, 20)
        self.smoothing.setSingleStep(0.5)
        self.smoothing.setSuffix(" px")
        self.smoothing.setSpecialValueText("none")
        self.smoothing.setToolTip("Corners and notches narrower than about this go")
        self.least = QSpinBox()
        self.least.setRange(0, 1_000_000)
        self.least.setSuffix(" px")
        self.least.setSpecialValueText("keep all")
        self.least.setToolTip("Holes and islands of fewer pixels go")
        self.largest = QCheckBox("Largest piece only")
        self.largest.setToolTip("Leave out all other pieces of a mask")
        for spin in (self.smoothing, self.least):
            spin.setKeyboardTracking(False)
            ignore_wheel(spin)
        row = QHBoxLayout()
        row.addWidget(self.learn, 1)
        row.addWidget(self.reset)
        form_widget = QWidget()
        form = narrow_form(form_widget)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Smooth", self.smoothing)
        form.addRow("Holes, islands", self.least)
        form.addRow(self.largest)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.learnt)
        layout.addWidget(form_widget)
        self.learn.clicked.connect(self._choose_learning)
        self.reset.clicked.connect(styles.reset)
        self.smoothing.valueChanged.connect(self._choose_rules)
        self.least.valueChanged.connect(self._choose_rules)
        self.largest.clicked.connect(self._choose_rules)
        styles.changed.connect(self.refresh)
        commits.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what holds now."""
        rules, styles = self.commits.rules, self.styles
        self.learn.setChecked(styles.on)
        self.reset.setEnabled(bool(styles.objects) or not styles.style.plain)
        self.learnt.say(describe(styles))
        for spin, value in ((self.smoothing, rules.smoothing), (self.least, rules.least)):
            spin.blockSignals(True)
            spin.setValue(value)
            spin.blockSignals(False)
        self.largest.setChecked(rules.largest)

    def _choose_learning(self, on: bool) -> None:
        self.styles.on = on

    def _choose_rules(self, *_: object) -> None:
        self.commits.rules = replace(
            self.commits.rules,
            smoothing=self.smoothing.value(),
            least=self.least.value(),
            largest=self.largest.isChecked(),
        )


def describe(styles: Styles) -> str:
    """Say what was learnt so far."""
    if not styles.on:
        return "The model's own outlines."
    if not styles.style.plain:
        said = styles.style.describe()
        return f"{said[0].upper()}{said[1:]}."
    if styles.objects < LEAST_OBJECTS:
        return f"The model's own outlines; {styles.objects} of {LEAST_OBJECTS} objects accepted."
    return f"The model's own outlines fit the {styles.objects} objects accepted."
