"""What the model sees: a small picture, and other ways to see: stains, inverted, projected."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_sam_onnx.pictures.views import INVERTED
from napari_sam_onnx.plugin.panels.parts.widgets import fill_combo, narrow_combo
from napari_sam_onnx.plugin.picture.sliders import project_along, projection_along
from napari_sam_onnx.plugin.session.stack_axes import DEPTH

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

    from napari_sam_onnx.plugin.session.sight import Sight
    from napari_sam_onnx.plugin.session.stack_axes import StackAxes

HEIGHT = 190
WAYS: list[tuple[str, object]] = [
    ("Colours as they are", ""),
    ("Haematoxylin alone", "hematoxylin"),
    ("Eosin alone", "eosin"),
    ("DAB alone", "dab"),
    ("Red alone", "red"),
    ("Green alone", "green"),
    ("Blue alone", "blue"),
]
PROJECTIONS: list[tuple[str, object]] = [
    ("One plane", ""),
    ("Maximum of all planes", "max"),
    ("Mean of all planes", "mean"),
]


class SightPanel(QWidget):
    """A part of the section of the picture, unfolded by a button there.

    Parameters
    ----------
    sight : Sight
    axes : StackAxes
    """

    def __init__(self, sight: Sight, axes: StackAxes) -> None:
        super().__init__()
        self.sight, self.session, self.axes = sight, sight.session, axes
        self.picture = _Scaled()
        self.picture.setToolTip(
            "What the model sees, small; of a large plane, the part around what the viewer shows"
        )
        self.stain, self.planes = narrow_combo(), narrow_combo()
        self.stain.setToolTip("One stain or colour of a slide, bright where there is much of it")
        self.planes.setToolTip(
            "Which planes viewer and model see as one; objects are written on the one that the "
            "slider stands at"
        )
        self.inverted = QCheckBox("Inverted")
        self.inverted.setToolTip("Dark is bright: for objects darker than what is around them")
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.stain, 1)
        row.addWidget(self.planes, 1)
        row.addWidget(self.inverted)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.picture)
        layout.addLayout(row)
        self.stain.activated.connect(lambda _: self._choose_view())
        self.inverted.clicked.connect(lambda _: self._choose_view())
        self.planes.activated.connect(self._choose_planes)
        sight.changed.connect(self._show)
        self.session.picture_changed.connect(self.refresh)
        axes.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what is chosen."""
        picture = self.session.picture
        stain, _, inverted = ("" if picture is None else picture.view).partition("-")
        if stain == INVERTED:
            stain, inverted = "", INVERTED
        fill_combo(self.stain, WAYS, stain)
        self.stain.setVisible(picture is not None and picture.main.rgb)
        self.inverted.setChecked(bool(inverted))
        self.inverted.setEnabled(picture is not None)
        axis = self.axes.axis_of(DEPTH)
        self.planes.setVisible(picture is not None and axis is not None)
        if picture is not None and axis is not None:
            mode = projection_along(self.session.viewer, picture, axis)
            known = [data for _, data in PROJECTIONS]
            more: list[tuple[str, object]] = [] if mode in known else [("As in the viewer", mode)]
            fill_combo(self.planes, [*PROJECTIONS, *more], mode)

    def _choose_view(self) -> None:
        picture = self.session.picture
        if picture is None:
            return
        stain = str(self.stain.currentData() or "") if picture.main.rgb else ""
        view = stain
        if self.inverted.isChecked():
            view = f"{stain}-{INVERTED}" if stain else INVERTED
        self.session.choose_picture(replace(picture, view=view))

    def _choose_planes(self, index: int) -> None:
        picture, axis = self.session.picture, self.axes.axis_of(DEPTH)
        mode = str(self.planes.itemData(index))
        if picture is not None and axis is not None and mode in ("", "max", "mean"):
            project_along(self.session.viewer, picture, axis, mode)
            self.refresh()

    def _show(self) -> None:
        shown = self.sight.shown
        if shown is None:
            self.picture.show_picture(None)
            return
        height, width = shown.shape[:2]
        data = np.ascontiguousarray(shown)
        image = QImage(data.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        self.picture.show_picture(QPixmap.fromImage(image.copy()))


class _Scaled(QLabel):
    """A picture as large as there is room for, its sides in proportion."""

    def __init__(self) -> None:
        super().__init__()
        self._whole: QPixmap | None = None
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_picture(self, pixmap: QPixmap | None) -> None:
        """Show another picture, or none."""
        self._whole = pixmap
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if self._whole is None:
            self.setText("Nothing is shown.")
            return
        room: Any = QSize(max(1, self.width() - 8), HEIGHT)
        self.setPixmap(
            self._whole.scaled(
                room,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )
