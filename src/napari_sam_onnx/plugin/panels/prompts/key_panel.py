"""Mouse and keys: what does what, and other keys where the user wants them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QDialog, QGridLayout, QKeySequenceEdit, QLabel, QPushButton, QWidget

from napari_sam_onnx.plugin.keys import BINDINGS
from napari_sam_onnx.plugin.session.key_map import KeyTaken, show_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_onnx.plugin.keys import Binding
    from napari_sam_onnx.plugin.session.key_map import KeyMap


class KeyPanel(QWidget):
    """A list; a key in it is a button that asks for another one.

    Parameters
    ----------
    keys : KeyMap
    rebind : callable
        Called when a key was changed.
    """

    def __init__(self, keys: KeyMap, rebind: Callable[[], None]) -> None:
        super().__init__()
        self.keys, self._rebind = keys, rebind
        self.buttons: dict[str, QPushButton] = {}
        self.dialog: KeyDialog | None = None
        grid = QGridLayout(self)
        grid.setContentsMargins(8, 2, 2, 2)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(1)
        grid.setColumnStretch(1, 1)
        for row, binding in enumerate(BINDINGS):
            text = QLabel(binding.text)
            text.setWordWrap(True)
            grid.addWidget(self._show(binding), row, 0)
            grid.addWidget(text, row, 1)
        self.reset = QPushButton("Usual keys")
        self.reset.setToolTip("Go back to the keys that come with the plugin")
        self.reset.clicked.connect(self._reset)
        grid.addWidget(self.reset, len(BINDINGS), 0, 1, 2)
        self.refresh()

    def refresh(self) -> None:
        """Show the keys that hold now."""
        for usual, button in self.buttons.items():
            button.setText(show_key(self.keys.key_of(usual)))
        self.reset.setEnabled(self.keys.changed)

    def _show(self, binding: Binding) -> QWidget:
        """Show one action's key: as a button where it can be another one."""
        if len(binding.keys) != 1 or binding.keys[0] in ("Escape", "Control-Z", "Control-Shift-Z"):
            return QLabel(binding.shown)
        usual = binding.keys[0]
        button = self.buttons[usual] = QPushButton()
        button.setStyleSheet("QPushButton { padding: 1px 4px; }")
        button.setToolTip(f"Another key for: {binding.text}")
        button.clicked.connect(partial(self._ask, usual, binding.text))
        return button

    def _ask(self, usual: str, text: str, _: bool = False) -> None:
        self.dialog = KeyDialog(text, partial(self._take, usual), self)
        self.dialog.open()

    def _take(self, usual: str, key: str) -> None:
        self.keys.choose(usual, key)
        self.refresh()
        self._rebind()

    def _reset(self) -> None:
        self.keys.reset()
        self.refresh()
        self._rebind()


class KeyDialog(QDialog):
    """Takes one key."""

    def __init__(self, text: str, take: Callable[[str], None], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Another key")
        self._take_key = take
        self.edit = QKeySequenceEdit()
        self.said = QLabel(f"Press the key for: {text}.")
        self.said.setWordWrap(True)
        grid = QGridLayout(self)
        grid.addWidget(self.said, 0, 0)
        grid.addWidget(self.edit, 1, 0)
        self.edit.keySequenceChanged.connect(self._take)
        self.edit.setFocus(Qt.FocusReason.OtherFocusReason)

    def _take(self, sequence: QKeySequence) -> None:
        """Take a key, or say why not and wait for another one."""
        if sequence.isEmpty():
            return
        key = sequence.toString(QKeySequence.SequenceFormat.PortableText).split(",")[0].strip()
        try:
            self._take_key(as_napari(key))
        except KeyTaken as error:
            self.said.setText(str(error))
            self.edit.clear()
        else:
            self.accept()


def as_napari(key: str) -> str:
    """Write a key of Qt's as napari does: ``Ctrl+Shift+A`` is ``Control-Shift-A``."""
    names = {"Ctrl": "Control", "Meta": "Meta", "Esc": "Escape", "Return": "Enter"}
    if key.endswith("++") or key == "+":
        parts = [*key[:-1].rstrip("+").split("+"), "+"] if key != "+" else ["+"]
    else:
        parts = key.split("+")
    return "-".join(names.get(part, part) for part in parts)
