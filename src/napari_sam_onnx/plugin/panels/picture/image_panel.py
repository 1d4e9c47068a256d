"""Which picture the model sees, and how its channels are mixed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QCheckBox,
    QColorDialog,
    QDoubleSpinBox,
    QFrame,
    QGridLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.plugin.panels.parts.hands import ignore_wheel
from napari_sam_onnx.plugin.panels.parts.widgets import (
    fill_combo,
    narrow_combo,
    narrow_form,
    one_line,
    set_line,
    swatch,
)
from napari_sam_onnx.plugin.panels.picture.axes_form import AxesForm
from napari_sam_onnx.plugin.panels.picture.channel_dialog import ChannelDialog
from napari_sam_onnx.plugin.panels.picture.sight_panel import SightPanel
from napari_sam_onnx.plugin.picture.geometry import name_axis, role_of
from napari_sam_onnx.plugin.picture.picture import ChannelChoice, Picture, mix_layers, split_axis
from napari_sam_onnx.plugin.picture.shown import layer_shape, mixable_layers, top_color

if TYPE_CHECKING:
    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.session.sight import Sight
    from napari_sam_onnx.plugin.session.stack_axes import StackAxes

MIXED = "mixed"
ROWS_AT_ONCE = 4
SAMPLE = ("napari-sam-onnx", "napari-sam-onnx.nuclei")


class ImagePanel(QWidget):
    """The form for the picture."""

    def __init__(self, session: Session, axes: StackAxes, sight: Sight) -> None:
        super().__init__()
        self.session = session
        self._rows: list[_ChannelRow] = []
        self.layer = narrow_combo()
        self.layer.setToolTip("The picture to segment")
        self.axis = narrow_combo()
        self.axis.setToolTip("The axis whose positions are channels and not planes")
        self.contrast = narrow_combo()
        self.contrast.setToolTip("Which intensities the model sees as black and as white")
        self.contrast.addItem("As shown in the viewer", True)
        self.contrast.addItem("Automatic (0.1 to 99.9 %)", False)
        self.suggest = QPushButton("Suggest …")
        self.suggest.setToolTip(
            "Suggest channels: try each channel, pair and stain and the inverted picture, and "
            "choose by what the model sees"
        )
        self.sample = QPushButton("Open the sample nuclei")
        self.sample.setToolTip("A small picture that comes with the plugin, to try it on")
        self.empty = QLabel("Drag a picture onto the canvas, or try a sample.")
        self.empty.setWordWrap(True)
        self._grid_host = QScrollArea()
        self._grid_host.setWidgetResizable(True)
        self._grid_host.setFrameShape(QFrame.Shape.NoFrame)
        self._grid_host.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        rows = QWidget()
        self._grid_host.setWidget(rows)
        self._grid = QGridLayout(rows)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(3)

        self.axes = AxesForm(axes)
        self.sight = SightPanel(sight, axes)
        self.sight.hide()
        self._form_host = QWidget()
        form = self._form = narrow_form(self._form_host)
        form.setContentsMargins(0, 0, 0, 0)
        self.look = QPushButton("Model's view")
        self.look.setCheckable(True)
        self.look.setToolTip("Show what the model sees: small, other stains, inverted, projected")
        self.tools = (self.look, self.suggest)  # for the title of the section
        form.addRow("Layer", self.layer)
        form.addRow("Channels", self.axis)
        form.addRow("Contrast", self.contrast)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        for widget in (
            *(self.empty, self.sample, self._form_host, self._grid_host),
            *(self.sight, self.axes),
        ):
            layout.addWidget(widget)

        self.layer.activated.connect(self._choose_layer)
        self.axis.activated.connect(self._choose_axis)
        self.contrast.activated.connect(self._choose_contrast)
        self.sample.clicked.connect(self._open_sample)
        self.look.toggled.connect(self._look)
        session.picture_changed.connect(self.refresh)
        session.layers_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what the session has."""
        layers = [
            layer
            for layer in self.session.viewer.layers
            if isinstance(layer, Image) and role_of(layer) is None
        ]
        picture = self.session.picture
        self.empty.setVisible(not layers)
        self.sample.setVisible(not layers)
        self._form_host.setVisible(bool(layers))
        self._grid_host.setVisible(bool(picture and picture.channels))
        entries: list[tuple[str, object]] = [(layer.name, layer) for layer in layers]
        if len(mixable_layers(layers, picture.main if picture else None)) > 1:
            entries.append(("Several layers, mixed", MIXED))
        mixed = picture is not None and bool(picture.channels) and picture.channel_axis is None
        fill_combo(self.layer, entries, MIXED if mixed else picture.main if picture else None)
        self._refresh_axis(picture, mixed)
        plain = picture is not None and not picture.main.rgb and picture.channel_axis is None
        self._form.setRowVisible(self.contrast, plain)
        for tool in self.tools:
            tool.setEnabled(self.session.plane is not None)
        if picture is not None:
            self.contrast.setCurrentIndex(0 if picture.as_shown else 1)
            self._refresh_channels(picture)

    def _refresh_axis(self, picture: Picture | None, mixed: bool) -> None:
        offered = picture is not None and not mixed and not picture.main.rgb
        axes: list[tuple[str, object]] = [("No channel axis", None)]
        if offered and picture is not None:
            shape = layer_shape(picture.main)
            shown = {picture.main.ndim - 1, picture.main.ndim - 2}
            axes += [
                (f"Along {name_axis(picture.main, axis)}: {length} channels", axis)
                for axis, length in enumerate(shape)
                if axis not in shown
            ]
        self._form.setRowVisible(self.axis, len(axes) > 1)
        fill_combo(self.axis, axes, picture.channel_axis if picture else None)

    def _refresh_channels(self, picture: Picture) -> None:
        if len(self._rows) != len(picture.channels):
            while (item := self._grid.takeAt(0)) is not None:
                widget = item.widget()
                if widget is not None:
                    widget.setParent(None)
                    widget.deleteLater()
            self._rows = [
                _ChannelRow(self._grid, i, partial(self._change_channel, i))
                for i in range(len(picture.channels))
            ]
            self._fit_rows()
        reader = self.session.reader
        seen = {c.index: c for c in reader.channels} if reader is not None else {}
        for i, (row, choice) in enumerate(zip(self._rows, picture.channels, strict=True)):
            name = choice.name if picture.channel_axis is not None else picture.layers[i].name
            if picture.as_shown and picture.channel_axis is None and choice.followed:
                layer = picture.layers[i]
                weight = float(layer.opacity)
                choice = replace(choice, color=top_color(layer), weight=weight)
            row.show_choice(replace(choice, name=name), seen.get(i))

    def _fit_rows(self) -> None:
        """Show up to so many channels at once; more of them scroll, so that all fits a screen."""
        shown = min(len(self._rows), ROWS_AT_ONCE)
        height = max((row.weight.sizeHint().height() for row in self._rows), default=0)
        part = height // 2 if len(self._rows) > shown else 0  # half a row says that there are more
        spacing = self._grid.spacing()
        self._grid_host.setFixedHeight(shown * (height + spacing) + part)

    def _choose_layer(self, index: int) -> None:
        choice = self.layer.itemData(index)
        try:
            if isinstance(choice, str):
                images = [e for e in self.session.viewer.layers if isinstance(e, Image)]
                main = self.session.picture.main if self.session.picture else None
                self.session.choose_picture(mix_layers(mixable_layers(images, main)))
            else:
                self.session.choose_layer(choice)
        except ImageError as error:
            self.session.fail(error)
            self.refresh()

    def _choose_axis(self, index: int) -> None:
        picture, axis = self.session.picture, self.axis.itemData(index)
        if picture is not None and axis != picture.channel_axis:
            main = picture.main
            self.session.choose_picture(
                Picture((main,)) if axis is None else split_axis(main, axis)
            )

    def _choose_contrast(self, index: int) -> None:
        if self.session.picture is not None:
            as_shown = bool(self.contrast.itemData(index))
            self.session.choose_picture(replace(self.session.picture, as_shown=as_shown))

    def _change_channel(self, index: int, **values: Any) -> None:
        picture = self.session.picture
        if picture is None:
            return
        channels = list(picture.channels)
        channels[index] = replace(channels[index], **values)
        self.session.choose_picture(replace(picture, channels=tuple(channels)))

    def _look(self, on: bool) -> None:
        self.sight.setVisible(on)
        self.sight.sight.on = on

    def _open_sample(self) -> None:
        self.session.viewer.open_sample("napari-sam-onnx", "nuclei")


class _ChannelRow:
    """One channel: tick and name, colour, weight; the limits in the name's tool tip."""

    def __init__(self, grid: QGridLayout, row: int, change: Any) -> None:
        self._change = change
        self._choice = ChannelChoice("")
        self._seen: Channel | None = None
        self.tick = QCheckBox()
        self.tick.setToolTip("Whether the model sees this channel")
        self.name = one_line()
        self.color = QToolButton()
        self.color.setToolTip("Colour in which the model sees this channel")
        self.weight = QDoubleSpinBox()
        self.weight.setRange(0.0, 10.0)
        self.weight.setSingleStep(0.1)
        self.weight.setDecimals(1)
        self.weight.setToolTip("Weight of this channel in the mix")
        self.weight.setKeyboardTracking(False)
        ignore_wheel(self.weight)
        self.weight.setFixedWidth(74)
        self.contrast = QToolButton()
        self.contrast.setText("…")
        self.contrast.setToolTip("Limits and gamma of this channel")
        widgets = (self.tick, self.name, self.color, self.weight, self.contrast)
        for column, widget in enumerate(widgets):
            grid.addWidget(widget, row, column)
        grid.setColumnStretch(0, 0)
        grid.setColumnStretch(1, 1)
        self.tick.toggled.connect(lambda on: self._change(on=on))
        self.weight.valueChanged.connect(self._take_weight)
        self.contrast.clicked.connect(self._ask_contrast)
        self.color.clicked.connect(self._pick_color)

    def show_choice(self, choice: ChannelChoice, seen: Channel | None) -> None:
        """Show a channel as it is chosen, and the limits the model sees it with."""
        self._choice, self._seen = choice, seen
        for widget in (self.tick, self.weight):
            widget.blockSignals(True)
        self.tick.setChecked(choice.on)
        self.weight.setValue(choice.weight)
        for widget in (self.tick, self.weight):
            widget.blockSignals(False)
        limits = None if seen is None else seen.limits
        contrast = "" if limits is None else f", contrast {limits[0]:.4g} to {limits[1]:.4g}"
        contrast += "" if seen is None or seen.gamma == 1 else f", gamma {seen.gamma:.2g}"
        set_line(self.name, choice.name, f"{choice.name}{contrast}")
        self.color.setIcon(swatch(choice.color))
        self.color.setEnabled(choice.on)
        self.weight.setEnabled(choice.on)
        self.contrast.setEnabled(choice.on)

    def _pick_color(self) -> None:
        before = QColor.fromRgbF(*self._choice.color)
        chosen = QColorDialog.getColor(before, self.color.window())
        if chosen.isValid():
            color = chosen.redF(), chosen.greenF(), chosen.blueF()
            self._change(color=color, weight=self._choice.weight, followed=False)

    def _take_weight(self, value: float) -> None:
        """Take another weight; colour and weight are the user's from then on."""
        self._change(weight=value, color=self._choice.color, followed=False)

    def _ask_contrast(self) -> None:
        dialog = ChannelDialog(self._choice, self._seen, self.color.window())
        if dialog.exec():
            self._change(limits=dialog.limits, gamma=dialog.chosen_gamma)
