"""Limits and gamma of one channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QDoubleSpinBox, QVBoxLayout, QWidget

from napari_sam_onnx.plugin.panels.parts.widgets import narrow_form

if TYPE_CHECKING:
    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.plugin.picture.picture import ChannelChoice


class ChannelDialog(QDialog):
    """Asks which values of a channel the model sees as black and as full colour.

    Parameters
    ----------
    choice : ChannelChoice
        As it is chosen now.
    seen : Channel or None
        As the model sees it.
    parent : QWidget
    """

    def __init__(self, choice: ChannelChoice, seen: Channel | None, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(choice.name)
        self.automatic = False
        low, high = (0.0, 1.0) if seen is None or seen.limits is None else seen.limits
        self.low, self.high, self.gamma = _spin(low), _spin(high), _spin(1.0)
        self.low.setToolTip("The value that the model sees as black")
        self.high.setToolTip("The value that the model sees in full colour")
        self.gamma.setToolTip("Below 1: brighter between the limits; above: darker")
        self.gamma.setRange(0.1, 10.0)
        self.gamma.setSingleStep(0.1)
        self.gamma.setDecimals(2)
        self.gamma.setValue(1.0 if seen is None else seen.gamma)
        form = QWidget()
        rows = narrow_form(form)
        rows.addRow("Black at", self.low)
        rows.addRow("Full colour at", self.high)
        rows.addRow("Gamma", self.gamma)
        box = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.usual = box.addButton("As the picture", QDialogButtonBox.ButtonRole.ResetRole)
        self.usual.setToolTip("The contrast that is chosen for the whole picture")
        self.ok = box.button(QDialogButtonBox.StandardButton.Ok)
        layout = QVBoxLayout(self)
        layout.addWidget(form)
        layout.addWidget(box)
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        self.usual.clicked.connect(self._take_usual)
        for spin in (self.low, self.high):
            spin.valueChanged.connect(self._check)

    @property
    def limits(self) -> tuple[float, float] | None:
        """What was chosen; None where it is to be as the picture says."""
        return None if self.automatic else (self.low.value(), self.high.value())

    @property
    def chosen_gamma(self) -> float | None:
        """The same of the gamma."""
        return None if self.automatic else self.gamma.value()

    def _take_usual(self) -> None:
        self.automatic = True
        self.accept()

    def _check(self) -> None:
        self.ok.setEnabled(self.low.value() < self.high.value())


def _spin(value: float) -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setRange(-1e12, 1e12)
    spin.setDecimals(0 if float(value).is_integer() and abs(value) > 10 else 4)
    spin.setValue(value)
    return spin
