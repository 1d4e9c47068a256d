"""How large objects are: two buttons that find it, and whether clicks are answered for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QGridLayout, QPushButton, QWidget

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.editing.sizes import Sizes


class SizeRow(QWidget):
    """The controls beside the diameter.

    Parameters
    ----------
    sizes : Sizes
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self._sizes = sizes
        self.draw = QPushButton("Draw size")
        self.draw.setCheckable(True)
        self.draw.setToolTip("Drag across an object of typical size, from edge to edge")
        self.take = QPushButton("Size of labels")
        self.take.setToolTip("Take the median diameter of the labelled objects on this plane")
        self.clicks = QCheckBox("For clicks too")
        self.clicks.setToolTip(
            "Answer clicks and boxes in the scale that suits objects of this diameter"
        )
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        grid.addWidget(self.draw, 0, 0)
        grid.addWidget(self.take, 0, 1)
        grid.addWidget(self.clicks, 1, 0, 1, 2)
        self.draw.clicked.connect(sizes.draw)
        self.take.clicked.connect(sizes.take_from_labels)
        sizes.gestures.changed.connect(self.refresh)
        sizes.session.picture_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show whether a stroke is waited for."""
        current = self._sizes.gestures.current
        self.draw.setChecked(current is not None and current.name == "size")
        for button in (self.draw, self.take):
            button.setEnabled(self._sizes.session.plane is not None)
