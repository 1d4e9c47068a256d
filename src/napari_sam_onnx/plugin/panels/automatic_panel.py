"""Automatic masks: the mode, its settings (made from their declaration), run and cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam_onnx.automatic import MODES
from napari_sam_onnx.plugin.layers.picture import layer_shape
from napari_sam_onnx.plugin.panels.run_row import RunRow
from napari_sam_onnx.plugin.panels.settings_form import SettingsForm
from napari_sam_onnx.plugin.panels.stack_form import StackForm
from napari_sam_onnx.plugin.panels.widgets import fill_combo, narrow_combo, narrow_form
from napari_sam_onnx.plugin.runs.automatic import Run, modes

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.runs.automatic import Automatic
    from napari_sam_onnx.plugin.runs.stack import StackRuns
    from napari_sam_onnx.plugin.session.session import Session

MODE_NAMES = {
    None: "What suits the model",
    "objects": "Objects the model sees",
    "grid": "Grid of clicks (SAM)",
    "blobs": "Blobs",
    "tiled": "Tile by tile",
}


class AutomaticPanel(QWidget):
    """The form for automatic masks.

    Parameters
    ----------
    session : Session
    automatic : Automatic
        Runs planes.
    stacks : StackRuns
        Runs volumes and tracks.
    """

    def __init__(self, session: Session, automatic: Automatic, stacks: StackRuns) -> None:
        super().__init__()
        self.session, self.automatic, self.stacks = session, automatic, stacks
        self.mode = narrow_combo()
        self.mode.setToolTip("How objects are looked for")
        self.scope = narrow_combo()
        self.scope.setToolTip("The plane that is shown, or every plane of the picture")
        self.stack = StackForm(session, stacks.axes)
        self.row = RunRow(
            automatic.work,
            "Run",
            "Find all objects, into a new labels layer",
            "Stop; what is finished stays",
        )
        self.run, self.cancel, self.progress = self.row.run, self.row.cancel, self.row.line
        self.settings = SettingsForm()

        for name in (None, *modes()):
            self.mode.addItem(MODE_NAMES.get(name, str(name)), name)
        head = QWidget()
        self._form = narrow_form(head)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow("Planes", self.scope)
        self._form.addRow("Mode", self.mode)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        layout.addWidget(head)
        layout.addWidget(self.settings)
        layout.addWidget(self.stack)
        layout.addWidget(self.row)

        self.mode.activated.connect(self._build_settings)
        self.scope.activated.connect(self.refresh)
        self.stack.method.activated.connect(self.refresh)
        self.stack.objects.activated.connect(self.refresh)
        stacks.axes.changed.connect(self.refresh)
        self.run.clicked.connect(self.start)
        session.picture_changed.connect(self.refresh)
        automatic.work.changed.connect(self.refresh)
        self._build_settings()
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Show what the session and the run have."""
        picture = self.session.picture
        axes = _long_axes(picture)
        entries: list[tuple[str, object]] = [("This plane", False)]
        if axes:
            count = 1
            for axis in axes:
                count *= layer_shape(picture.main)[axis] if picture is not None else 1
            entries.append((f"Whole stack: {count} planes", True))
        fill_combo(self.scope, entries, bool(axes) and self.scope.currentData() is True)
        whole = bool(axes) and self.scope.currentData() is True
        self._form.setRowVisible(self.scope, bool(axes))
        self.stack.setVisible(whole)
        # a volume is looked at as it is, and tracks may be those of labels that there are
        finds = not whole or (self.stack.chosen != "volume" and self.stack.finds)
        self._form.setRowVisible(self.mode, finds)
        self.settings.setVisible(finds)
        self.row.refresh(self.session.plane is not None)

    def start(self) -> None:
        """Run with what the form says."""
        values, mode = self.settings.values, self.mode.currentData()
        whole = self.scope.isVisibleTo(self) and self.scope.currentData() is True
        if whole and self.stack.chosen != "planes":
            self.stacks.start(self.stack.make_run(mode, values))
            return
        link = self.stack.link.currentData() if whole else None
        self.automatic.start(Run(mode, values, whole, link))

    def _build_settings(self, *_: Any) -> None:
        """Make the form of the chosen mode from its declaration."""
        mode = self.mode.currentData()
        self.settings.show_kind(None if mode is None else MODES[mode])


def _long_axes(picture: Any) -> list[int]:
    """List the axes beside the plane that have more than one position."""
    if picture is None:
        return []
    return [axis for axis in range(picture.main.ndim - 2) if picture.shape[axis] > 1]
