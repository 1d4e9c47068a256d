"""Forms made from declared settings: a widget for each, its help as the tool tip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import create_widget
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QVBoxLayout, QWidget

from napari_sam_onnx.automatic import form_fields
from napari_sam_onnx.plugin.panels.parts.hands import ignore_wheel
from napari_sam_onnx.plugin.panels.parts.widgets import Section, narrow_form

if TYPE_CHECKING:
    from collections.abc import Collection
    from dataclasses import Field


class SettingsForm(QWidget):
    """The settings of one kind at a time; rarely changed ones are folded away.

    Attributes
    ----------
    side : float or None
        Of a pixel in micrometres, where the diameter is shown in micrometres.
    """

    def __init__(self) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self.fields: dict[str, Any] = {}
        self.side: float | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What the form says, by name."""
        return {name: widget.value for name, widget in self.fields.items()}

    def show_kind(
        self,
        kind: type | None,
        *,
        folded: str = "",
        only: Collection[str] = (),
        side: float | None = None,
    ) -> None:
        """Make the form of a kind of settings from its declaration.

        Parameters
        ----------
        kind : type or None
            A dataclass whose fields are declared; None: nothing to set.
        folded : str
            All settings are folded away under this title; "" shows those that are often changed.
        only : collection of str
            The settings that are shown; all where empty.
        side : float or None
            See `side`.
        """
        self.side = side
        while (item := self._layout.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.setParent(None)
                widget.deleteLater()
        self.fields = {}
        declared = () if kind is None else form_fields(kind)
        declared = tuple(f for f in declared if not only or f.name in only)
        for advanced in (False, True):
            chosen = [f for f in declared if bool(folded or f.metadata["advanced"]) is advanced]
            if not chosen:
                continue
            widgets = [make_field(f, side) for f in chosen]
            # kept, since a widget without its owner is deleted
            self.fields.update({f.name: w for f, w in zip(chosen, widgets, strict=True)})
            page = QWidget()
            form = narrow_form(page)
            form.setContentsMargins(0, 0, 0, 0)
            for widget in widgets:
                form.addRow(widget.label, widget.native)
                form.labelForField(widget.native).setToolTip(widget.tooltip)
            title = folded or "More settings"
            self._layout.addWidget(Section(title, page, folded=True) if advanced else page)


def make_field(declared: Field[Any], side: float | None = None) -> Any:
    """Make the widget of one setting; a diameter in micrometres where a pixel's side is known."""
    rule = dict(declared.metadata)
    if declared.name == "diameter" and side is not None:
        rule["unit"] = "µm"
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
    if declared.name == "diameter":
        made.native.setSpecialValueText("as the model sees it")
    if isinstance(made.native, (QAbstractSpinBox, QComboBox)):
        ignore_wheel(made.native)
        made.native.setMinimumWidth(70)
    return made
