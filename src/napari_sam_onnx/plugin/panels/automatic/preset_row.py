"""Settings that were saved by a name: choose, save, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtWidgets import QHBoxLayout, QInputDialog, QMessageBox, QPushButton, QWidget

from napari_sam_onnx.plugin.panels.parts.widgets import fill_combo, narrow_combo
from napari_sam_onnx.plugin.session.lanes import Job
from napari_sam_onnx.records.presets import Preset, delete_preset, list_presets, save_preset

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_onnx.plugin.session.session import Session


class PresetRow(QWidget):
    """The presets of this computer.

    Parameters
    ----------
    session : Session
        Says what went wrong.
    collect : callable
        Returns the mode and the settings that are saved.

    Attributes
    ----------
    chosen : Signal
        The user chose a preset.
    """

    chosen = Signal(object)

    def __init__(
        self, session: Session, collect: Callable[[], tuple[str | None, dict[str, Any]]]
    ) -> None:
        super().__init__()
        self._session, self._collect = session, collect
        self.combo = narrow_combo()
        self.combo.setToolTip("Settings that you saved for a kind of picture")
        self.save, self.delete = QPushButton("Save …"), QPushButton("Delete …")
        self.save.setToolTip("Save mode, settings and limits as a preset")
        self.delete.setToolTip("Forget the preset that is chosen")
        for button in (self.save, self.delete):
            button.setStyleSheet("QPushButton { padding: 4px 6px; }")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.combo, 1)
        layout.addWidget(self.save)
        layout.addWidget(self.delete)
        self.combo.activated.connect(self._choose)
        self.save.clicked.connect(self._save)
        self.delete.clicked.connect(self._delete)
        self._show([])
        # a home may lie far away
        session.lane.submit(Job(list_presets, self._show, session.fail, replaceable=False))

    def reload(self, chosen: str | None = None) -> None:
        """List the presets that there are now."""
        try:
            presets = list_presets()
        except ValueError as error:
            self._session.fail(error)
            presets = []
        self._show(presets, chosen)

    def _show(self, presets: list[Preset], chosen: str | None = None) -> None:
        entries: list[tuple[str, object]] = [("None", None)]
        entries += [(preset.name, preset) for preset in presets]
        fill_combo(self.combo, entries, next((p for p in presets if p.name == chosen), None))
        self.delete.setEnabled(self.combo.currentData() is not None)

    def offer(self, mode: str | None, settings: dict[str, Any], suggested: str = "") -> bool:
        """Ask for a name and save settings under it; whether they were saved."""
        name, wanted = QInputDialog.getText(
            self, "Save a preset", "Name, such as the kind of picture:", text=suggested
        )
        if not wanted:
            return False
        try:
            preset = Preset(name, mode, settings)
            if any(known.name == preset.name for known in list_presets()):
                yes = QMessageBox.StandardButton.Yes
                answer = QMessageBox.question(
                    self, "Save a preset", f"Replace the preset “{preset.name}”?"
                )
                if answer != yes:
                    return False
            save_preset(preset, overwrite=True)
        except ValueError as error:
            self._session.fail(error)
            return False
        self.reload(preset.name)
        self._session.say(f"Saved the preset “{preset.name}”.")
        return True

    def _choose(self, index: int) -> None:
        preset = self.combo.itemData(index)
        self.delete.setEnabled(preset is not None)
        self.chosen.emit(preset)

    def _save(self) -> None:
        current = self.combo.currentData()
        self.offer(*self._collect(), "" if current is None else current.name)

    def _delete(self) -> None:
        preset = self.combo.currentData()
        question = f"Delete the preset “{preset.name}”?"
        answer = QMessageBox.question(self, "Delete a preset", question)
        if answer == QMessageBox.StandardButton.Yes:
            try:
                delete_preset(preset.name)
            except ValueError as error:
                self._session.fail(error)
            self.reload()
            self.chosen.emit(None)
