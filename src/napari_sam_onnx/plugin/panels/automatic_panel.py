"""Automatic masks: the mode, its settings (made from their declaration), run and cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import create_widget
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.automatic import MODES, form_fields
from napari_sam_onnx.plugin.layers.geometry import name_axis
from napari_sam_onnx.plugin.layers.picture import layer_shape
from napari_sam_onnx.plugin.panels.hands import ignore_wheel
from napari_sam_onnx.plugin.panels.run_row import RunRow
from napari_sam_onnx.plugin.panels.widgets import (
    Section,
    fill_combo,
    narrow_combo,
    narrow_form,
)
from napari_sam_onnx.plugin.runs.automatic import Run, modes

if TYPE_CHECKING:
    from dataclasses import Field

    from napari_sam_onnx.plugin.runs.automatic import Automatic
    from napari_sam_onnx.plugin.session.session import Session

MODE_NAMES = {
    None: "What suits the model",
    "objects": "Objects the model sees",
    "grid": "Grid of clicks (SAM)",
    "blobs": "Blobs",
    "tiled": "Tile by tile",
}


class AutomaticPanel(QWidget):
    """The form for automatic masks."""

    def __init__(self, session: Session, automatic: Automatic) -> None:
        super().__init__()
        self.session, self.automatic = session, automatic
        self.mode = narrow_combo()
        self.mode.setToolTip("How objects are looked for")
        self.scope = narrow_combo()
        self.scope.setToolTip("The plane that is shown, or every plane of the picture")
        self.link = narrow_combo()
        self.link.setToolTip("The axis along which an object keeps its label")
        self.row = RunRow(
            automatic.work,
            "Run",
            "Find all objects, into a new labels layer",
            "Stop; what is finished stays",
        )
        self.run, self.cancel, self.progress = self.row.run, self.row.cancel, self.row.line
        self._settings = QWidget()
        self._settings_layout = QVBoxLayout(self._settings)
        self._settings_layout.setContentsMargins(0, 0, 0, 0)
        self._fields: dict[str, Any] = {}

        for name in (None, *modes()):
            self.mode.addItem(MODE_NAMES.get(name, str(name)), name)
        head = QWidget()
        self._form = narrow_form(head)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow("Mode", self.mode)
        self._form.addRow("Planes", self.scope)
        self._form.addRow("Link", self.link)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        layout.addWidget(head)
        layout.addWidget(self._settings)
        layout.addWidget(self.row)

        self.mode.activated.connect(self._build_settings)
        self.scope.activated.connect(self.refresh)
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
        links: list[tuple[str, object]] = [("No", None)]
        if picture is not None:
            links += [(f"Along {name_axis(picture.main, a)}", a) for a in axes]
        fill_combo(self.link, links, self.link.currentData())
        if self.link.currentIndex() < 0:
            self.link.setCurrentIndex(0)
        self._form.setRowVisible(self.scope, bool(axes))
        self._form.setRowVisible(self.link, bool(axes) and self.scope.currentData() is True)
        self.row.refresh(self.session.plane is not None)

    def start(self) -> None:
        """Run with what the form says."""
        values = {name: widget.value for name, widget in self._fields.items()}
        whole = self.scope.currentData() is True
        self.automatic.start(Run(self.mode.currentData(), values, whole, self.link.currentData()))

    def _build_settings(self, *_: Any) -> None:
        """Make the form of the chosen mode from its declaration."""
        while (item := self._settings_layout.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.setParent(None)
                widget.deleteLater()
        self._fields = {}
        mode = self.mode.currentData()
        if mode is None:
            return
        declared = form_fields(MODES[mode])
        for advanced in (False, True):
            chosen = [f for f in declared if bool(f.metadata["advanced"]) is advanced]
            if not chosen:
                continue
            widgets = [_make_field(f) for f in chosen]
            # kept, since a widget without its owner is deleted
            self._fields.update({f.name: w for f, w in zip(chosen, widgets, strict=True)})
            page = QWidget()
            form = narrow_form(page)
            form.setContentsMargins(0, 0, 0, 0)
            for widget in widgets:
                form.addRow(widget.label, widget.native)
                form.labelForField(widget.native).setToolTip(widget.tooltip)
            self._settings_layout.addWidget(
                Section("More settings", page, folded=True) if advanced else page
            )


def _make_field(declared: Field[Any]) -> Any:
    """Make the widget of one setting."""
    rule = declared.metadata
    options: dict[str, Any] = {"tooltip": rule["help"]}
    if rule["choices"]:
        options["choices"] = list(rule["choices"])
    elif declared.type in (int, float):
        options |= {key: rule[key] for key in ("min", "max", "step") if rule[key] is not None}
    unit = f" ({rule['unit']})" if rule["unit"] else ""
    made = create_widget(
        value=declared.default,
        annotation=declared.type,
        name=declared.name,
        label=f"{rule['label']}{unit}",
        options=options,
    )
    if isinstance(made.native, (QAbstractSpinBox, QComboBox)):
        ignore_wheel(made.native)
        made.native.setMinimumWidth(70)
    return made


def _long_axes(picture: Any) -> list[int]:
    """List the axes beside the plane that have more than one position."""
    if picture is None:
        return []
    return [axis for axis in range(picture.main.ndim - 2) if picture.shape[axis] > 1]
