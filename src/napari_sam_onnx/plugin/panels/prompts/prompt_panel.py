"""Prompts and labels: where objects go, accept, undo, the candidates, the keys."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.errors import UserError
from napari_sam_onnx.export.beside import write_beside
from napari_sam_onnx.labels.rules import OVERLAPS
from napari_sam_onnx.plugin.commits.recording import describe_layer
from napari_sam_onnx.plugin.panels.parts.hands import ignore_wheel
from napari_sam_onnx.plugin.panels.parts.widgets import (
    FewLines,
    fill_combo,
    narrow_combo,
    narrow_form,
)

if TYPE_CHECKING:
    from napari_sam_onnx.labels.rules import Overlap
    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.runs.inside import Inside
    from napari_sam_onnx.plugin.session.session import Session

HIGHEST_SPIN = 2**31 - 1


class PromptPanel(QWidget):
    """The form for prompts and labels."""

    def __init__(self, session: Session, commits: Commits, inside: Inside) -> None:
        super().__init__()
        self.session, self.commits, self.inside = session, commits, inside
        self.target = narrow_combo()
        self.target.setToolTip("The labels layer that accepted objects are written to")
        self.label = QSpinBox()
        self.label.setRange(1, HIGHEST_SPIN)
        self.label.setToolTip("The number of the next object")
        self.label.setKeyboardTracking(False)
        ignore_wheel(self.label)
        self.recipe = QPushButton("Save recipe…")
        self.recipe.setToolTip(
            "Write down how these labels were made, run, clicks and corrections, as a file that "
            "makes them again"
        )
        self.overlap = narrow_combo()
        fill_combo(self.overlap, [(text, name) for name, (text, _) in OVERLAPS.items()], "keep")
        self.turbo = QCheckBox("Turbo")
        self.turbo.setToolTip("Each click commits an object (Q)")
        self.each = QCheckBox("Several")
        self.each.setToolTip("Each click on an object is one of its own; N accepts all of them (B)")
        self.click = QPushButton("Click objects")
        self.click.setToolTip("Select the prompt layer, so that clicks and keys go to it")
        self.accept = QPushButton("Accept")
        self.accept.setToolTip("Write the mask as the next label (N)")
        self.discard = QPushButton("Discard")
        self.discard.setToolTip("Drop the prompts of this plane (Esc)")
        self.undo = QPushButton("Undo")
        self.undo.setToolTip("Take back the last prompt or object (Ctrl+Z)")
        self.redo = QPushButton("Redo")
        self.redo.setToolTip("Do again what was taken back last (Ctrl+Shift+Z)")
        self.all_inside = QPushButton("All inside")
        self.all_inside.setCheckable(True)
        self.all_inside.setToolTip(
            "Find all objects inside an outline that you draw, or inside the open box; N accepts "
            "them (Shift+L)"
        )
        self.candidate = FewLines(2)
        self._lay_out()
        self._connect()
        self.refresh_target()
        self.refresh()

    def _lay_out(self) -> None:
        head = QWidget()
        form = narrow_form(head)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Labels", self.target)
        numbers = QHBoxLayout()
        numbers.setSpacing(4)
        numbers.addWidget(self.label, 4)
        numbers.addWidget(self.overlap, 5)
        form.addRow("Next label", numbers)
        ticks = QHBoxLayout()
        ticks.setSpacing(8)
        ticks.addWidget(self.click, 1)
        ticks.addWidget(self.turbo)
        ticks.addWidget(self.each)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (self.accept, self.discard, self.undo, self.redo):
            button.setStyleSheet("QPushButton { padding: 4px 2px; }")  # four fit in a narrow dock
            buttons.addWidget(button, 1)
        answer = QHBoxLayout()
        answer.setSpacing(4)
        answer.addWidget(self.candidate, 1)
        more = QVBoxLayout()
        more.setSpacing(2)
        for button in (self.all_inside, self.recipe):
            button.setStyleSheet("QPushButton { padding: 2px 6px; }")
            more.addWidget(button)
        answer.addLayout(more)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(2)
        layout.addWidget(head)
        layout.addLayout(ticks)
        layout.addLayout(buttons)
        layout.addLayout(answer)

    def _connect(self) -> None:
        session, commits = self.session, self.commits
        self.target.activated.connect(self._choose_target)
        self.label.valueChanged.connect(self._choose_label)
        self.recipe.clicked.connect(self._save_recipe)
        self.overlap.activated.connect(self._choose_overlap)
        self.all_inside.clicked.connect(self._ask_inside)
        self.turbo.clicked.connect(lambda: commits.toggle_turbo())
        self.each.clicked.connect(session.choose_each_click)
        self.click.clicked.connect(session.renew_layers)
        self.accept.clicked.connect(commits.accept)
        self.discard.clicked.connect(commits.discard)
        self.undo.clicked.connect(commits.undo)
        self.redo.clicked.connect(commits.redo)
        for signal in (session.layers_changed, session.picture_changed, commits.labels.changed):
            signal.connect(self.refresh_target)
        for signal in (
            session.prompts_changed,
            session.answer_changed,
            session.layers_changed,
            commits.changed,
        ):
            signal.connect(self.refresh)
        self.inside.gestures.changed.connect(self.refresh)
        commits.ask_overlap = self._ask_overlap

    def refresh_target(self) -> None:
        """Show where the next object goes."""
        commits = self.commits
        entries: list[tuple[str, object]] = [("New labels layer", None)]
        entries += [(layer.name, layer) for layer in commits.labels.fitting()]
        fill_combo(self.target, entries, commits.labels.layer)
        self.recipe.setEnabled(commits.labels.layer is not None)
        number = commits.labels.next_label
        self.label.blockSignals(True)
        # a large layer is searched for its numbers: until then none is shown
        self.label.setRange(0 if number is None else 1, HIGHEST_SPIN)
        self.label.setSpecialValueText("being found …" if number is None else "")
        self.label.setEnabled(number is not None)
        self.label.setValue(0 if number is None else min(number, HIGHEST_SPIN))
        self.label.blockSignals(False)

    def refresh(self) -> None:
        """Show what can be done with the prompts."""
        session, commits = self.session, self.commits
        overlap = commits.rules.overlap
        self.overlap.setCurrentIndex(list(OVERLAPS).index(overlap))
        self.overlap.setToolTip(f"Where a new object overlaps: {OVERLAPS[overlap][1]}")
        self.turbo.setChecked(commits.turbo)
        self.each.setChecked(session.each_click)
        ready = session.picture is not None
        open_object = session.request is not None and session.request.answerable
        has_prompts = session.prompts is not None and bool(
            len(session.prompts.points) or session.prompts.boxes
        )
        self.click.setEnabled(ready)
        gesture = self.inside.gestures.current
        self.all_inside.setEnabled(ready)
        self.all_inside.setChecked(gesture is not None and gesture.name == "inside")
        self.accept.setEnabled(open_object)
        self.discard.setEnabled(has_prompts)
        self.undo.setEnabled(bool(commits.history.done))
        self.redo.setEnabled(bool(commits.history.undone))
        asleep = ready and (session.layers is None or not session.layers.active)
        self.candidate.say(self._describe_answer(asleep))

    def _ask_inside(self, _: bool = False) -> None:
        self.inside.ask()
        self.refresh()

    def _save_recipe(self) -> None:
        """Ask for a file and write down how the labels were made."""
        layer = self.commits.labels.layer
        if layer is None:
            return
        try:
            recipe = describe_layer(layer, self.session.dialogue.style)
        except UserError as error:
            self.session.fail(error)
            return
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the recipe", f"{layer.name}.json", "Recipes (*.json)"
        )
        if not path:
            return
        try:
            with write_beside(Path(path), overwrite=True) as part:
                part.write_text(recipe.to_json(), "utf-8")
        except (UserError, OSError) as error:
            self.session.fail(error)
        else:
            self.session.say(
                f"{Path(path).name} makes “{layer.name}” again: napari-sam-onnx replay "
                f"{Path(path).name} IN -o OUT.",
                "ready",
            )

    def _describe_answer(self, asleep: bool) -> str:
        answer = self.session.answer
        if asleep:
            return "Keys and clicks sleep while another layer is selected."
        if answer is None:
            return "No mask yet."
        mask = answer.mask
        if isnan(mask.score):
            return f"The object as it is · {mask.area:,} px"
        score = min(1.0, max(0.0, mask.score))
        return (
            f"Candidate {answer.chosen + 1} of {answer.candidates}\n"
            f"score {score:.2f} · {mask.area:,}\u00a0px"
        )

    def _choose_target(self, index: int) -> None:
        self.commits.labels.choose(self.target.itemData(index))

    def _choose_label(self, label: int) -> None:
        self.commits.labels.next_label = label

    def _choose_overlap(self, index: int) -> None:
        self.commits.rules = replace(self.commits.rules, overlap=self.overlap.itemData(index))

    def _ask_overlap(self, sentence: str) -> Overlap | None:
        """Ask what becomes of pixels that are labelled already."""
        box = QMessageBox(self)
        box.setWindowTitle("Overlap")
        box.setText(f"{sentence} What becomes of the pixels of both?")
        buttons = {
            box.addButton(text, QMessageBox.ButtonRole.AcceptRole): name
            for name, (text, _) in OVERLAPS.items()
            if name != "ask"
        }
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        return next((name for b, name in buttons.items() if b is box.clickedButton()), None)
