"""Outlines: what was learnt from accepted objects, how masks are tidied up, how they are shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.errors import UserError
from napari_sam_onnx.plugin.panels.parts.hands import ignore_wheel
from napari_sam_onnx.plugin.panels.parts.widgets import (
    FewLines,
    fill_combo,
    narrow_combo,
    narrow_form,
)
from napari_sam_onnx.prompting.style import LEAST_OBJECTS

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.editing.styles import Styles
    from napari_sam_onnx.plugin.panels.prompts.score_tip import ScoreTip
    from napari_sam_onnx.plugin.session.hover import Hover
    from napari_sam_onnx.plugin.session.settings import Settings

LOOKS = {"both": "Outline and fill", "outline": "Outline", "fill": "Fill"}


class OutlinePanel(QWidget):
    """The form for outlines."""

    def __init__(
        self,
        commits: Commits,
        styles: Styles,
        hover: Hover,
        score_tip: ScoreTip,
        settings: Settings,
    ) -> None:
        super().__init__()
        self.commits, self.styles, self.hover, self.settings = commits, styles, hover, settings
        self.score_tip = score_tip
        self._applied: tuple[object, ...] = ()
        self.learnt = FewLines(2)
        self.learn = QCheckBox("Learn from what I accept")
        self.learn.setToolTip(
            "Outline the next objects as tightly as those that were accepted, and begin with the "
            "candidate that was wanted"
        )
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Forget what was learnt: the model's own outlines again")
        self.take = QPushButton("Recipe …")
        self.take.setToolTip("Go on with the outlines that were learnt when a recipe was saved")
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
        self.look = narrow_combo()
        fill_combo(self.look, [(text, name) for name, text in LOOKS.items()], "both")
        self.look.setToolTip("How masks are drawn before they are accepted")
        self.fill = QSpinBox()
        self.fill.setRange(5, 100)
        self.fill.setSuffix(" %")
        self.fill.setToolTip("How opaque masks are inside")
        self.hovers = QCheckBox("Preview under the pointer")
        self.hovers.setToolTip("Show what a click would give while the pointer rests")
        self.scores = QCheckBox("Score beside the pointer")
        self.scores.setToolTip(
            "Write how sure the model is beside the pointer when a mask appears, and the scores of "
            "all candidates after W"
        )
        for spin in (self.smoothing, self.least, self.fill):
            spin.setKeyboardTracking(False)
            ignore_wheel(spin)
        row = QHBoxLayout()
        row.addWidget(self.learn, 1)
        for button in (self.take, self.reset):
            button.setStyleSheet("QPushButton { padding: 4px 4px; }")
            row.addWidget(button)
        form_widget = QWidget()
        form = narrow_form(form_widget)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Smooth", self.smoothing)
        form.addRow("Holes, islands", self.least)
        form.addRow(self.largest)
        form.addRow("Preview", self.look)
        form.addRow("Fill", self.fill)
        form.addRow(self.hovers)
        form.addRow(self.scores)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.learnt)
        layout.addWidget(form_widget)
        self.learn.clicked.connect(self._choose_learning)
        self.reset.clicked.connect(styles.reset)
        self.take.clicked.connect(self._take_recipe)
        self.smoothing.valueChanged.connect(self._choose_rules)
        self.least.valueChanged.connect(self._choose_rules)
        self.largest.clicked.connect(self._choose_rules)
        look = settings.get("preview", "both")
        self.look.setCurrentIndex(list(LOOKS).index(look) if look in LOOKS else 0)
        self.fill.setValue(settings.get("preview_fill", 35))
        self.hovers.setChecked(settings.get("hover", False))
        hover.on = self.hovers.isChecked()
        self.scores.setChecked(settings.get("scores", True))
        score_tip.on = self.scores.isChecked()
        self.scores.clicked.connect(self._choose_scores)
        self.look.activated.connect(self._choose_look)
        self.fill.valueChanged.connect(self._choose_look)
        self.hovers.clicked.connect(self._choose_hover)
        commits.session.picture_changed.connect(self._apply_look)
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

    def _take_recipe(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Outlines of a recipe", "", "Recipes (*.json)")
        if not path:
            return
        try:
            self.styles.take_recipe(Path(path))
        except UserError as error:
            self.commits.session.fail(error)

    def _choose_look(self, *_: object) -> None:
        self.settings.set("preview", self.look.currentData())
        self.settings.set("preview_fill", self.fill.value())
        self._apply_look()

    def _apply_look(self) -> None:
        """Draw the preview as it was chosen; its layers may be new."""
        look, layers = self.look.currentData(), self.commits.session.layers
        self.fill.setEnabled(look != "outline")
        wanted = 0.0 if look == "outline" else self.fill.value() / 100, look != "fill"
        if layers is not None and (layers, wanted) != self._applied:
            self._applied = layers, wanted
            layers.preview.choose_look(*wanted)

    def _choose_hover(self, on: bool) -> None:
        self.hover.on = on
        self.settings.set("hover", on)
        self.hover.clear()

    def _choose_scores(self, on: bool) -> None:
        self.score_tip.on = on
        self.settings.set("scores", on)

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
