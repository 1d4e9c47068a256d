"""Settings that were saved by a name: choose, save, delete."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QMessageBox,
    QPushButton,
    QWidget,
)

from napari_sam_onnx.plugin.panels.parts.widgets import fill_combo, narrow_combo
from napari_sam_onnx.plugin.session.lanes import Job
from napari_sam_onnx.records.presets import (
    Preset,
    delete_preset,
    list_presets,
    read_presets,
    save_preset,
    write_presets,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_onnx.plugin.session.session import Session

OPEN, GIVE = "Open a file …", "Save as a file …"
FILES = "Presets (*.json)"


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
    current : Preset or None
        The one that is chosen.
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
        self.combo.setToolTip(
            "Settings that you saved for a kind of picture; a file takes them to another computer"
        )
        self.current: Preset | None = None
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
        entries.append((OPEN, OPEN))
        entries += [(GIVE, GIVE)] * bool(presets)
        self.current = next((preset for preset in presets if preset.name == chosen), None)
        fill_combo(self.combo, entries, self.current)
        self.delete.setEnabled(self.current is not None)

    def offer(self, mode: str | None, settings: dict[str, Any], suggested: str = "") -> bool:
        """Ask for a name and save settings under it; whether they were saved."""
        name, wanted = QInputDialog.getText(
            self, "Save a preset", "Name, such as the kind of picture:", text=suggested
        )
        if not wanted:
            return False
        try:
            preset = Preset(name, mode, settings)
            there = any(known.name == preset.name for known in list_presets())
            if there and not self._ask(f"Replace the preset “{preset.name}”?"):
                return False
            save_preset(preset, overwrite=True)
        except ValueError as error:
            self._session.fail(error)
            return False
        self.reload(preset.name)
        self._session.say(f"Saved the preset “{preset.name}”.")
        return True

    def _choose(self, index: int) -> None:
        chosen = self.combo.itemData(index)
        if chosen in (OPEN, GIVE):
            kept = [self.combo.itemData(at) for at in range(index)]
            self.combo.setCurrentIndex(next(i for i, p in enumerate(kept) if p is self.current))
            (self._open if chosen == OPEN else self._give)()
            return
        self.current = chosen
        self.delete.setEnabled(chosen is not None)
        self.chosen.emit(chosen)

    def _open(self) -> None:
        """Take over the presets of a file; those that have a name of ours are asked about."""
        path, _ = QFileDialog.getOpenFileName(self, "Open presets", "", FILES)
        if not path:
            return
        try:
            known = {preset.name: preset for preset in list_presets()}
            given = read_presets(Path(path))
            same = [one.name for one in given if known.get(one.name, one) != one]
            if same and not self._ask(f"Replace the preset “{'”, “'.join(same)}”?"):
                given = [one for one in given if one.name not in same]
            for preset in given:
                save_preset(preset, overwrite=True)
        except ValueError as error:
            self._session.fail(error)
            return
        self.reload(None if self.current is None else self.current.name)
        names = ", ".join(f"“{preset.name}”" for preset in given)
        self._session.say(f"Presets from {Path(path).name}: {names or 'none'}.")

    def _give(self) -> None:
        """Write the preset that is chosen, or all of them, to a file."""
        preset = self.current
        name = "presets" if preset is None else preset.name
        path, _ = QFileDialog.getSaveFileName(self, "Save presets", f"{name}.json", FILES)
        if not path:
            return
        try:
            write_presets(Path(path), list_presets() if preset is None else [preset])
        except ValueError as error:
            self._session.fail(error)
        else:
            self._session.say(f"Saved {'all presets' if preset is None else name} as {path}.")

    def _ask(self, question: str) -> bool:
        answer = QMessageBox.question(self, "Presets", question)
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _save(self) -> None:
        current = self.current
        self.offer(*self._collect(), "" if current is None else current.name)

    def _delete(self) -> None:
        preset = self.current
        if preset is not None and self._ask(f"Delete the preset “{preset.name}”?"):
            try:
                delete_preset(preset.name)
            except ValueError as error:
                self._session.fail(error)
            self.reload()
            self.chosen.emit(None)
