"""Limits on what the last run found, as sliders that act while they are moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.automatic import Selection, form_fields
from napari_sam_onnx.automatic.settings.declare import declare
from napari_sam_onnx.plugin.panels.parts.hands import ignore_wheel
from napari_sam_onnx.plugin.panels.parts.widgets import Section, one_line, set_line
from napari_sam_onnx.plugin.picture.lengths import pixel_side

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import Field

    from napari_sam_onnx.plugin.runs.judged.filtering import Filtering

FIRST = (
    "min_rating",
    "min_diameter",
    "max_diameter",
    "min_circularity",
    "min_contrast",
    "min_border_distance",
    "max_overlap",
)
"""Limits that are shown at once; the others are folded."""

STEPS = 200
NUMBER = 48  # pixels
TITLE = 162  # pixels that the longest titles need in napari's font

_TOP_OF = {"min_area": "area", "max_area": "area", "min_border_distance": "border_distance"}
_TOP_OF |= {"min_diameter": "diameter", "max_diameter": "diameter"}


@dataclass(frozen=True)
class _Learned:
    """Limits on what was learned from examples and judged objects."""

    similarity: float = declare(
        0.5,
        "Objects that are less like the examples are left out.",
        label="Minimum similarity",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    learned: float = declare(
        0.5,
        "Objects that are less like those that were kept, and more like those that were deleted, "
        "are left out.",
        label="Learned from you",
        min=0.0,
        max=1.0,
        step=0.01,
    )


_LEARNED = {f.name: f for f in form_fields(_Learned)}


class FilterPanel(QWidget):
    """Sliders for the limits, how many objects they leave, and a way back.

    Parameters
    ----------
    filtering : Filtering
    """

    def __init__(self, filtering: Filtering) -> None:
        super().__init__()
        self.filtering = filtering
        self.count = one_line(Qt.TextElideMode.ElideRight)
        self.reset = QPushButton("As found")
        self.reset.setToolTip("Set the limits back to those of the run")
        self.reset.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.limits: dict[str, Limit] = {}
        first, others = QWidget(), QWidget()
        grids = {True: QGridLayout(first), False: QGridLayout(others)}
        for grid in grids.values():
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setHorizontalSpacing(6)
            grid.setVerticalSpacing(1)
            grid.setColumnMinimumWidth(0, TITLE)
            grid.setColumnStretch(1, 1)
        declared = {f.name: f for f in form_fields(Selection)}
        rest = [name for name in declared if name not in FIRST]
        for name in (*FIRST, *rest):
            limit = Limit(declared[name], self._apply)
            self.limits[name] = limit
            grid = grids[name in FIRST]
            row = grid.rowCount()
            grid.addWidget(limit.title, row, 0)
            grid.addWidget(limit.slider, row, 1)
            grid.addWidget(limit.number, row, 2)
        self.learned = {name: Limit(rule, self._apply) for name, rule in _LEARNED.items()}
        for limit in self.learned.values():
            row = grids[True].rowCount()
            for column, widget in enumerate((limit.title, limit.slider, limit.number)):
                grids[True].addWidget(widget, row, column)
        head = QHBoxLayout()
        head.setSpacing(4)
        head.addWidget(self.count, 1)
        head.addWidget(self.reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addWidget(first)
        layout.addWidget(Section("More limits", others, folded=True))
        self.reset.clicked.connect(self._reset)
        filtering.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the limits that hold, and how many objects they leave on this plane."""
        filtering = self.filtering
        finding, ranges = filtering.finding, filtering.ranges()
        side = None
        if finding is not None:
            axes = (finding.view[0], finding.view[1])
            side = pixel_side(filtering.session.picture, axes)
        for name, limit in self.limits.items():
            top = ranges.get(_TOP_OF.get(name, ""), 1.0)
            limit.show(getattr(filtering.selection, name), top, side)
            limit.enable(finding is not None)
        least = filtering.least
        for name, limit in self.learned.items():
            limit.show(least.get(name, 0.0), 1.0, None)
            limit.set_visible(name in least)
        self.reset.setEnabled(finding is not None)
        counted = filtering.count()
        if finding is None:
            set_line(self.count, "Nothing to filter: run automatic masks.")
        elif counted is None:
            set_line(self.count, "Nothing was found on this plane.")
        else:
            set_line(self.count, f"{counted[0]:,} of {counted[1]:,} objects shown")

    def _apply(self) -> None:
        """Take over the sliders."""
        values = {name: limit.value for name, limit in self.limits.items()}
        least = {
            name: self.learned[name].value for name in self.filtering.least if name in self.learned
        }
        self.filtering.apply(Selection(**values), least)

    def _reset(self) -> None:
        finding = self.filtering.finding
        if finding is not None:
            index = self.filtering.index
            plane = finding.planes[next(iter(finding.planes)) if index is None else index]
            self.filtering.apply(plane.found.selection)


class Limit:
    """One limit: its title, a slider and a number, in micrometres where the picture has units.

    (superqt's labelled sliders take no keys.)

    Parameters
    ----------
    declared : dataclasses.Field
        As `declare` makes it.
    changed : callable
        Called without arguments when the user has moved it.
    """

    def __init__(self, declared: Field[Any], changed: Callable[[], None]) -> None:
        self._rule, self._changed = declared.metadata, changed
        self._upper = declared.name.startswith("max_") and self._rule["unit"] != ""
        self._factor, self._end = 1.0, 1.0
        self.value = float(self._rule["max"] if self._upper else 0.0)
        self.title = one_line(Qt.TextElideMode.ElideRight)
        self.title.setFixedWidth(TITLE)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(STEPS // 20)
        self.number = QDoubleSpinBox()
        self.number.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.number.setKeyboardTracking(False)
        self.number.setFixedWidth(NUMBER)
        # napari's style would leave the slider little room
        self.number.setStyleSheet(f"min-width: {NUMBER - 8}px; padding: 1px 3px;")
        for widget in (self.slider, self.number):
            widget.setToolTip(self._rule["help"])
            ignore_wheel(widget)
        self.slider.valueChanged.connect(lambda step: self._take(self._end * step / STEPS))
        self.number.valueChanged.connect(self._take)

    def set_visible(self, on: bool) -> None:
        """Show it or not."""
        for widget in (self.title, self.slider, self.number):
            widget.setVisible(on)

    def enable(self, on: bool) -> None:
        """Let it be moved or not."""
        for widget in (self.title, self.slider, self.number):
            widget.setEnabled(on)

    def show(self, value: float, top: float, side: float | None) -> None:
        """Show a limit.

        Parameters
        ----------
        value : float
            In pixels.
        top : float
            The largest value that the feature has.
        side : float or None
            Of a pixel in micrometres, where that is known.
        """
        unit = self._rule["unit"]
        power = {"px": 1, "px²": 2}.get(unit, 0)
        in_length = side is not None and power > 0
        self._factor = side**power if side is not None and in_length else 1.0
        named = {"px": "µm", "px²": "µm²"}[unit] if in_length else unit
        title = self._rule["label"] + (f" ({named})" if named else "")
        set_line(self.title, title, f"{title}. {self._rule['help']}")
        self.value = value
        self._end = max(top, value) * self._factor if unit else float(self._rule["max"])
        shown = self._end if self._upper and not value else value * self._factor
        before = [widget.blockSignals(True) for widget in (self.slider, self.number)]
        self.number.setDecimals(2 if not unit or self._end < 10 else 1 if self._end < 1000 else 0)
        self.number.setSingleStep(0.01 if not unit else self._end / STEPS)
        self.number.setRange(0.0, self._end)
        self.number.setValue(shown)
        self.slider.setValue(round(STEPS * shown / self._end))
        for widget, blocked in zip((self.slider, self.number), before, strict=True):
            widget.blockSignals(blocked)

    def _take(self, shown: float) -> None:
        """Take over what the user set; at its end an upper limit is none."""
        if self._upper and shown >= self.number.maximum():
            self.value = 0.0
        else:
            self.value = float(min(shown / self._factor, self._rule["max"]))
        self._changed()
