"""A bar that offers a closer look where objects are small for the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_onnx.plugin.editing.scale_advice import ScaleAdviser


class ScaleBar(QFrame):
    """Says how small objects are, and offers to answer clicks for their size.

    Parameters
    ----------
    adviser : ScaleAdviser
    take : callable
        Answers clicks for objects of a diameter in pixels of the plane.
    """

    def __init__(self, adviser: ScaleAdviser, take: Callable[[float], None]) -> None:
        super().__init__()
        self.adviser, self._take = adviser, take
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.closer, self.leave = QPushButton("Look closer"), QPushButton("Leave it")
        self.closer.setToolTip(
            "Set this object diameter, under “Size, place and presets”, and answer clicks for it"
        )
        self.leave.setToolTip("Go on as before, and say no more about it for this picture")
        buttons = QHBoxLayout()
        buttons.addWidget(self.closer)
        buttons.addWidget(self.leave)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self.setStyleSheet("ScaleBar { border: 1px solid #3d8bfd; border-radius: 3px; }")
        self.closer.clicked.connect(lambda: self._take(adviser.diameter))
        self.leave.clicked.connect(adviser.leave)
        adviser.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what is advised, or nothing."""
        adviser = self.adviser
        self.setVisible(bool(adviser.diameter))
        if adviser.diameter:
            self.text.setText(
                f"Objects of {adviser.diameter:.0f} px are small for this model: it sees them at "
                f"{adviser.seen:.0f} px."
            )
