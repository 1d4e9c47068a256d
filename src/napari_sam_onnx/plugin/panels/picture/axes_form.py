"""What the axes of a stack are, to see and to change."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QWidget

from napari_sam_onnx.plugin.panels.parts.widgets import fill_combo, narrow_combo, narrow_form
from napari_sam_onnx.plugin.picture.geometry import name_axis
from napari_sam_onnx.plugin.session.stack_axes import APART, CHANNELS, DEPTH, TIME

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.session.stack_axes import StackAxes

NAMES = {
    DEPTH: "Depth (z): {} planes",
    TIME: "Time (t): {} frames",
    APART: "{} separate pictures",
    CHANNELS: "{} channels",
}


class AxesForm(QWidget):
    """One row for each axis of many planes.

    Parameters
    ----------
    axes : StackAxes
    """

    def __init__(self, axes: StackAxes) -> None:
        super().__init__()
        self.axes = axes
        self.rows: dict[int, QComboBox] = {}
        self._form = narrow_form(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        axes.changed.connect(self.refresh)
        axes.session.picture_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what the axes are."""
        picture, roles = self.axes.session.picture, self.axes.long
        names = {axis: name_axis(picture.main, axis) for axis in roles} if picture else {}
        if set(roles) != set(self.rows):
            while self._form.rowCount():
                self._form.removeRow(0)
            self.rows = {}
            for axis in roles:
                combo = self.rows[axis] = narrow_combo()
                combo.setToolTip("What the positions along this axis are")
                combo.activated.connect(partial(self._choose, axis))
                self._form.addRow(names[axis].capitalize(), combo)
        for axis, role in roles.items():
            assert picture is not None
            self._form.labelForField(self.rows[axis]).setText(names[axis].capitalize())
            kinds = [DEPTH, TIME, APART]
            if not picture.main.rgb and picture.channel_axis is None and len(picture.layers) == 1:
                kinds.append(CHANNELS)
            entries: list[tuple[str, object]] = [
                (NAMES[kind].format(picture.shape[axis]), kind) for kind in kinds
            ]
            fill_combo(self.rows[axis], entries, role)
        self.setVisible(bool(roles))

    def _choose(self, axis: int, index: int) -> None:
        self.axes.choose(axis, str(self.rows[axis].itemData(index)))
        self.refresh()
