"""Automatic masks: the mode, its settings (made from their declaration), run and cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam_onnx.automatic import MODES, ObjectsParameters, Selection, form_fields
from napari_sam_onnx.plugin.panels.automatic.filter_panel import FilterPanel
from napari_sam_onnx.plugin.panels.automatic.preset_row import PresetRow
from napari_sam_onnx.plugin.panels.automatic.size_row import SizeRow
from napari_sam_onnx.plugin.panels.automatic.stack_form import StackForm
from napari_sam_onnx.plugin.panels.automatic.where_form import WhereForm
from napari_sam_onnx.plugin.panels.parts.run_row import RunRow
from napari_sam_onnx.plugin.panels.parts.settings_form import SettingsForm
from napari_sam_onnx.plugin.panels.parts.widgets import (
    Section,
    fill_combo,
    narrow_combo,
    narrow_form,
)
from napari_sam_onnx.plugin.picture.lengths import pixel_side
from napari_sam_onnx.plugin.picture.shown import layer_shape
from napari_sam_onnx.plugin.runs.asked import Run, modes
from napari_sam_onnx.plugin.runs.judged.filtering import describe_filtered
from napari_sam_onnx.records.presets import Preset

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_onnx.automatic.taught.fit import Fitted
    from napari_sam_onnx.automatic.taught.learn import Judge
    from napari_sam_onnx.plugin.editing.sizes import Sizes
    from napari_sam_onnx.plugin.editing.styles import Styles
    from napari_sam_onnx.plugin.runs.automatic import Automatic
    from napari_sam_onnx.plugin.runs.judged.filtering import Filtering
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
    filtering : Filtering
        Chooses again from what was found.
    sizes : Sizes
        Finds how large objects are.
    styles : Styles
        Is told how large the objects are that clicks are answered for.
    """

    def __init__(
        self,
        session: Session,
        automatic: Automatic,
        stacks: StackRuns,
        filtering: Filtering,
        sizes: Sizes,
        styles: Styles,
    ) -> None:
        super().__init__()
        self._styles, self._kept = styles, 0.0
        self.session, self.automatic, self.stacks = session, automatic, stacks
        self.filtering = filtering
        self._limits: dict[str, Any] = {}  # of the preset that is chosen
        self.judge: Callable[[], Judge | None] = lambda: None
        self.mode = narrow_combo()
        self.mode.setToolTip("How objects are looked for")
        self.scope = narrow_combo()
        self.scope.setToolTip("The plane that is shown, or every plane of the picture")
        self.stack = StackForm(session, stacks.axes)
        self.presets = PresetRow(session, self._collect)
        self.where = WhereForm(session, automatic.labels)
        self.filter = FilterPanel(filtering)
        self.row = RunRow(
            automatic.work,
            "Run",
            "Find all objects, into a new labels layer",
            "Stop; what is finished stays",
        )
        self.run, self.cancel, self.progress = self.row.run, self.row.cancel, self.row.line
        self.settings = SettingsForm()
        # what is seldom changed lies below the button, so that it stays on a small screen
        self.size = SettingsForm()
        self.sizes = SizeRow(sizes)
        more = QWidget()
        chosen = narrow_form(more)
        chosen.setContentsMargins(0, 0, 0, 0)
        chosen.addRow("Preset", self.presets)
        chosen.addRow(self.size)
        chosen.addRow(self.sizes)
        chosen.addRow(self.where)
        self._places = Section("Size, place and presets", more, folded=True)
        self.filters = Section("Filter what was found", self.filter, folded=True)

        for name in (None, *modes()):
            self.mode.addItem(MODE_NAMES.get(name, str(name)), name)
        head = QWidget()
        self._form = narrow_form(head)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow("Planes", self.scope)
        self._form.addRow("Mode", self.mode)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(2)
        layout.addWidget(head)
        layout.addWidget(self.settings)
        layout.addWidget(self.stack)
        layout.addWidget(self.row)
        layout.addWidget(self._places)
        layout.addWidget(self.filters)

        self.mode.activated.connect(self._build_settings)
        self.scope.activated.connect(self.refresh)
        self.stack.method.activated.connect(self.refresh)
        self.stack.objects.activated.connect(self.refresh)
        stacks.axes.changed.connect(self.refresh)
        session.model_changed.connect(self.refresh)
        self.run.clicked.connect(self.start)
        sizes.found.connect(self._take_diameter)
        self.sizes.clicks.toggled.connect(self._tell_size)
        self.presets.chosen.connect(self._take_preset)
        session.picture_changed.connect(self.refresh)
        session.picture_changed.connect(self._show_units)
        automatic.work.changed.connect(self.refresh)
        automatic.made.connect(self._show_filters)
        automatic.filled.connect(self._show_filters)
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
        # some models see a volume as it is, and tracks may be those of labels that there are
        finds = not whole or self.stack.takes_mode
        self._form.setRowVisible(self.mode, finds)
        self.settings.setVisible(finds)
        planes = not whole or self.stack.chosen == "planes"
        self._places.setVisible(planes)
        self.filters.setVisible(planes or self.filtering.finding is not None)
        self.row.refresh(self.session.plane is not None)

    def start(self) -> None:
        """Run with what the form says."""
        mode, values = self._read_settings()
        values = {**self._limits, **values}
        whole = self.scope.isVisibleTo(self) and self.scope.currentData() is True
        if whole and self.stack.chosen != "planes":
            self.stacks.start(self.stack.make_run(mode, values))
            return
        link = self.stack.link.currentData() if whole else None
        where = self.where
        self.automatic.start(
            Run(
                mode,
                values,
                whole,
                link,
                where.region,
                where.gaps,
                where.keep.isChecked(),
                self.judge(),
            )
        )

    def _read_settings(self) -> tuple[str | None, dict[str, Any]]:
        """Return the mode and its settings as the form has them, lengths in pixels."""
        mode = self.mode.currentData()
        values = self.form.values
        if "diameter" in values:
            values["diameter"] = self._diameter
        if mode is None and not values["diameter"]:
            values = {}  # nothing is asked for
        return mode, values

    def _build_settings(self, *_: Any) -> None:
        """Make the form of the chosen mode from its declaration."""
        mode, side = self.mode.currentData(), self._find_side()
        self.settings.show_kind(None if mode is None else MODES[mode], side=side)
        alone = None if mode is not None else ObjectsParameters
        self.size.show_kind(alone, only=("diameter",), side=side)
        if "diameter" in self.form.fields:
            self._take_diameter(self._kept)
            self.form.fields["diameter"].changed.connect(self._tell_size)
        self._tell_size()

    @property
    def _diameter(self) -> float:
        """What the form says, in pixels; 0 where it says nothing."""
        value = self.form.values.get("diameter", 0.0)
        return round(float(value) / (self.form.side or 1.0), 3)

    def use_diameter(self, diameter: float) -> None:
        """Set the diameter of objects, in pixels, and answer clicks for it as well."""
        self._take_diameter(diameter)
        self.sizes.clicks.setChecked(True)
        self._tell_size()

    def _take_diameter(self, diameter: float) -> None:
        """Set the form to a diameter in pixels."""
        if "diameter" in self.form.fields:
            self.form.fields["diameter"].value = diameter * (self.form.side or 1.0)

    def _tell_size(self, *_: Any) -> None:
        """Have clicks answered for objects of the size that the form says, where that is wanted."""
        self._kept = self._diameter
        self._styles.diameter = self._diameter if self.sizes.clicks.isChecked() else 0.0

    @property
    def form(self) -> SettingsForm:
        """The settings of the mode that is chosen."""
        return self.size if self.mode.currentData() is None else self.settings

    def _find_side(self) -> float | None:
        """Return the side of a pixel in micrometres, where it is known."""
        plane = self.session.plane
        return None if plane is None else pixel_side(self.session.picture, plane.axes)

    def _show_units(self) -> None:
        """Show lengths in the units of the picture that there is now."""
        if self.session.plane is not None and self._find_side() != self.form.side:
            kept, self._kept = self.form.values, 0.0  # another picture has objects of another size
            self._build_settings()
            for name, value in kept.items():
                if name != "diameter":
                    self.form.fields[name].value = value
            chosen = self.presets.current
            if chosen is not None and "diameter" in chosen.settings:
                self._take_diameter(chosen.settings["diameter"])  # which still says so

    def take_fitted(self, fitted: Fitted) -> None:
        """Set the form as was fitted to labels, and offer to save it."""
        if not fitted.settings:
            return
        self._take_preset(Preset("fitted", None, fitted.settings))
        self.presets.offer(None, dict(fitted.settings))

    def _show_filters(self, *_: Any) -> None:
        """Show what a run has found."""
        self.filtering.changed.emit()

    def _collect(self) -> tuple[str | None, dict[str, Any]]:
        """Return what a preset keeps: the form, and the limits that the filter has now."""
        mode, values = self._read_settings()
        settings = {**self._limits, **values}
        filtering = self.filtering
        if filtering.finding is not None:
            settings = describe_filtered(mode or "objects", settings, filtering.selection)
            settings = {
                name: value
                for name, value in settings.items()
                if name in values or value != getattr(Selection(), name, None)
            }
        return mode, settings

    def _take_preset(self, preset: Preset | None) -> None:
        """Set the form as a preset says, and filter what there is."""
        self._limits = {}
        if preset is None:
            return
        self.mode.setCurrentIndex(max(0, self.mode.findData(preset.mode)))
        self._build_settings()
        for name, value in preset.settings.items():
            if name in self.form.fields:
                if name == "diameter":
                    self._take_diameter(value)
                else:
                    self.form.fields[name].value = value
            else:
                self._limits[name] = value
        known = {f.name for f in form_fields(Selection)}
        limits = {name: value for name, value in preset.settings.items() if name in known}
        if self.filtering.finding is not None:
            self.filtering.apply(self.filtering.selection.change(**limits))


def _long_axes(picture: Any) -> list[int]:
    """List the axes beside the plane that have more than one position."""
    if picture is None:
        return []
    return [axis for axis in range(picture.main.ndim - 2) if picture.shape[axis] > 1]
