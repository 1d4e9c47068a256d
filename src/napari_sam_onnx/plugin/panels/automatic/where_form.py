"""Where automatic masks look for objects, and which labels they go into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QWidget

from napari_sam_onnx.plugin.panels.parts.widgets import fill_combo, narrow_combo, narrow_form
from napari_sam_onnx.plugin.picture.region import regions_of

if TYPE_CHECKING:
    from napari.layers import Labels, Shapes

    from napari_sam_onnx.plugin.commits.label_target import LabelTarget
    from napari_sam_onnx.plugin.session.session import Session


class WhereForm(QWidget):
    """A region, labels whose gaps are filled, and whether the last result stays.

    Parameters
    ----------
    session : Session
    labels : LabelTarget
        Knows which label images fit the picture.
    """

    def __init__(self, session: Session, labels: LabelTarget) -> None:
        super().__init__()
        self._session, self._labels = session, labels
        self.inside = narrow_combo()
        self.inside.setToolTip(
            "Look for objects everywhere, or inside what is drawn in a Shapes layer; what is drawn "
            "on one plane holds for all"
        )
        self.into = narrow_combo()
        self.into.setToolTip(
            "Write objects into a new labels layer, or into what another one leaves free: its "
            "labels stay as they are"
        )
        self.keep = QCheckBox("Keep the last result")
        self.keep.setToolTip(
            "Leave the result of the run before; else this one takes its place, unless it was "
            "corrected since"
        )
        form = narrow_form(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Inside", self.inside)
        form.addRow("Into", self.into)
        form.addRow(self.keep)
        session.picture_changed.connect(self.refresh)
        session.layers_changed.connect(self.refresh)
        self.refresh()

    @property
    def region(self) -> Shapes | None:
        """Where objects are looked for; None: everywhere."""
        layer: Shapes | None = self.inside.currentData()
        return layer

    @property
    def gaps(self) -> Labels | None:
        """Whose gaps are filled; None: a new label image."""
        layer: Labels | None = self.into.currentData()
        return layer

    def refresh(self, *_: Any) -> None:
        """Show the layers that there are now."""
        regions: list[tuple[str, object]] = [("Everywhere", None)]
        regions += [(layer.name, layer) for layer in regions_of(self._session.viewer.layers)]
        fill_combo(self.inside, regions, self.inside.currentData())
        targets: list[tuple[str, object]] = [("New labels layer", None)]
        targets += [(f"Gaps of {layer.name}", layer) for layer in self._labels.fitting()]
        fill_combo(self.into, targets, self.into.currentData())
        for combo in (self.inside, self.into):
            if combo.currentIndex() < 0:  # its layer is gone
                combo.setCurrentIndex(0)
