"""How a whole stack is looked at: as a volume, as tracks or as planes, and the settings of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QDoubleSpinBox, QVBoxLayout, QWidget

from napari_sam_onnx.plugin.layers.labels import can_be_target
from napari_sam_onnx.plugin.panels.parts.hands import ignore_wheel
from napari_sam_onnx.plugin.panels.parts.settings_form import SettingsForm
from napari_sam_onnx.plugin.panels.parts.widgets import fill_combo, narrow_combo, narrow_form
from napari_sam_onnx.plugin.picture.geometry import name_axis
from napari_sam_onnx.plugin.runs.stack import StackRun
from napari_sam_onnx.plugin.session.stack_axes import DEPTH, TIME
from napari_sam_onnx.stacks import StitchParameters, VolumeParameters, WholeRequest
from napari_sam_onnx.stacks.tracks import TrackParameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Labels

    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.session.stack_axes import StackAxes

NAMES = {
    "volume": "Volume (3-D)",
    "tracks": "Tracks (in time)",
    "planes": "Planes one by one",
}


class StackForm(QWidget):
    """What of a whole stack is made, and how.

    Parameters
    ----------
    session : Session
    axes : StackAxes
    """

    def __init__(self, session: Session, axes: StackAxes) -> None:
        super().__init__()
        self.session, self.axes = session, axes
        self.method = narrow_combo()
        self.method.setToolTip("What is made of the stack")
        self.objects = narrow_combo()
        self.objects.setToolTip("Where the objects come from that are put together")
        self.link = narrow_combo()
        self.link.setToolTip("The axis along which an object keeps its label")
        self.distance = QDoubleSpinBox()
        self.distance.setRange(0.0, 100.0)
        self.distance.setDecimals(2)
        self.distance.setSingleStep(0.1)
        self.distance.setSuffix(" px")
        self.distance.setToolTip(
            "How far apart planes lie, in pixels of a plane: from the layer's scale, where it has "
            "one. 0: measured on the objects, as if they were round."
        )
        ignore_wheel(self.distance)
        self.settings = SettingsForm()
        self._kind: type | None = None
        self._seen: Any = None
        head = QWidget()
        self._form = narrow_form(head)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow("As", self.method)
        self._form.addRow("Objects", self.objects)
        self._form.addRow("Link", self.link)
        self._form.addRow("Spacing", self.distance)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(head)
        layout.addWidget(self.settings)
        self.method.activated.connect(self.refresh)
        self.objects.activated.connect(self.refresh)
        session.layers_changed.connect(self.refresh)
        session.model_changed.connect(self.refresh)
        axes.changed.connect(self.refresh)
        self.refresh()

    @property
    def chosen(self) -> str:
        """The method: "volume", "tracks" or "planes"."""
        return str(self.method.currentData() or "planes")

    @property
    def finds(self) -> bool:
        """Whether objects are found by a model, and not taken from labels."""
        return self.chosen == "planes" or self.objects.currentData() is None

    @property
    def takes_mode(self) -> bool:
        """Whether planes are looked at one by one, by a mode of automatic masks."""
        return self.finds and (self.chosen != "volume" or not self._sees_volumes())

    def _sees_volumes(self) -> bool:
        """Whether volumes are made by a model that sees them, and not of planes."""
        model = self.session.engine.loaded(self.session.source)
        return self.finds and (model is None or model.gives_maps)

    def refresh(self, *_: Any) -> None:
        """Show what there is to choose; a new stack is what its axes say it is."""
        picture, long = self.session.picture, self.axes.long
        depth, time = self.axes.axis_of(DEPTH), self.axes.axis_of(TIME)
        methods = ["volume"] * (depth is not None and time is None)
        methods += ["tracks"] * (time is not None)
        methods += ["volume"] * (depth is not None and time is not None)
        methods.append("planes")
        key = None if picture is None else (id(picture.main), tuple(long.items()))
        new, self._seen = key != self._seen, key
        wanted = self.method.currentData()
        if new or wanted not in methods:
            wanted = methods[0]
        fill_combo(self.method, [(NAMES[m], m) for m in methods], wanted)
        links: list[tuple[str, object]] = []
        if picture is not None:
            links = [(f"Along {name_axis(picture.main, a)}", a) for a in long]
        first = next((a for a in (time, depth) if a is not None), None)
        fill_combo(self.link, [*links, ("No", None)], first if new else self.link.currentData())
        if self.link.currentIndex() < 0:
            self.link.setCurrentIndex(len(links))
        found: list[tuple[str, object]] = [("New ones", None)]
        found += [(f"Of “{layer.name}”", layer) for layer in self._labels()]
        fill_combo(self.objects, found, self.objects.currentData())
        if self.objects.currentIndex() < 0:
            self.objects.setCurrentIndex(0)
        if new:
            size = self.axes.spacing() if picture is not None else {}
            known = size["Z"] / size["Y"] if {"Z", "Y"} <= set(size) and size["Y"] else 0.0
            self.distance.setValue(known)
        self.distance.setSpecialValueText("measured" if self.chosen == "volume" else "1 px")
        self._form.setRowVisible(self.objects, self.chosen != "planes" and len(found) > 1)
        self._form.setRowVisible(self.link, self.chosen == "planes")
        self._form.setRowVisible(self.distance, self.chosen != "planes" and depth is not None)
        seen = self._sees_volumes()
        volume: type = VolumeParameters if seen else StitchParameters
        kinds: dict[str, type | None] = {"volume": volume, "tracks": TrackParameters}
        kind = kinds.get(self.chosen)
        if kind is not self._kind:
            self._kind = kind
            titles = {"volume": "Volume settings", "tracks": "Track settings"}
            self.settings.show_kind(kind, folded=titles.get(self.chosen, ""))
        self.settings.setVisible(kind is not None)

    def make_run(self, mode: str | None, values: Mapping[str, Any]) -> StackRun:
        """Return what the form asks for.

        Parameters
        ----------
        mode : str or None
            Of the planes that tracks are made of.
        values : mapping of str to value
            Settings of that mode.
        """
        chosen = self.chosen

        def own_of(kind: type) -> dict[str, Any]:
            return self.settings.values if self._kind is kind else {}

        request = WholeRequest(
            chosen,
            mode if self.takes_mode else None,
            dict(values) if self.takes_mode else {},
            volume=VolumeParameters(**own_of(VolumeParameters)),
            stitch=StitchParameters(**own_of(StitchParameters)),
            tracks=TrackParameters(**own_of(TrackParameters)),
            thickness=self.distance.value() or None,
        )
        return StackRun(request, self.objects.currentData())

    def _labels(self) -> list[Labels]:
        picture = self.session.picture
        if picture is None:
            return []
        return [layer for layer in self.session.viewer.layers if can_be_target(layer, picture)]
