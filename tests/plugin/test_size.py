"""How large objects are: drawn across one, taken from labels, typed; for clicks too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam_onnx.plugin.commits.recording import describe_layer
from napari_sam_onnx.records.follow import follow
from tests.fakes import ComponentModel, draw_discs

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Embedding
    from tests.plugin.driver import Driver

LEFT = Qt.MouseButton.LeftButton
CENTERS = [(30, 30), (30, 80), (75, 55)]


class Free(ComponentModel):
    """Encodes at any scale, and notes which."""

    largest_input = 2000

    def __init__(self) -> None:
        super().__init__("pebble")
        self.scales: list[float | None] = []

    def encode(self, image: NDArray[np.uint8], scale: float | None = None) -> Embedding:
        self.scales.append(scale)
        return super().encode(image)


def open_section(drive: Callable[..., Driver], **options: Any) -> tuple[Driver, Any]:
    d = drive(draw_discs((100, 120), CENTERS, 10), Free(), **options)
    panel = d.dock.automatic_panel
    panel._places.header.setChecked(True)
    QTest.qWait(50)
    d.dock.scroll.ensureWidgetVisible(panel.sizes)
    return d, panel


def test_a_size_is_drawn_and_clicks_and_runs_look_in_its_scale(
    drive: Callable[..., Driver],
) -> None:
    d, panel = open_section(drive)
    QTest.mouseClick(panel.sizes.draw, LEFT)
    assert panel.sizes.draw.isChecked()
    d.click(30, 30)
    assert "Drag across" in d.said and not len(d.points.data)
    d.drag((30, 20), (30, 40), Qt.KeyboardModifier.NoModifier)
    assert panel.form.fields["diameter"].value == pytest.approx(20, abs=1.5)
    assert not panel.sizes.draw.isChecked() and "Object diameter" in d.said
    d.click(30, 30)
    model = d.models["pebble"]
    assert set(model.scales) == {None}  # clicks look as before until they are asked to
    panel.sizes.clicks.click()
    d.settle()
    assert model.scales[-1] == pytest.approx(50 / panel._diameter)
    d.press(Qt.Key.Key_N)
    assert d.labels[30, 30] and not d.labels[5, 5]
    acts = describe_layer(d.commits.labels.layer).acts
    assert acts[0].objects[0].looks[0].style.diameter == panel._diameter
    again, seen = np.zeros((100, 120), np.uint32), len(model.scales)
    list(follow(acts, d.picture.data, again, lambda _: model))
    np.testing.assert_array_equal(again, d.labels)
    assert model.scales[seen:][-1] == pytest.approx(50 / panel._diameter)
    seen = len(model.scales)
    QTest.mouseClick(panel.run, LEFT)
    d.until(lambda: not d.dock.automatic.work.busy)
    assert set(model.scales[seen:]) <= {None, model.scales[-1]} and len(d.ids) == 3


def test_the_size_of_labels_is_in_micrometres_where_the_picture_is_and_stays_with_the_mode(
    drive: Callable[..., Driver],
) -> None:
    d, panel = open_section(drive, scale=(0.5, 0.5), units=("um", "um"))
    QTest.mouseClick(panel.sizes.take, LEFT)
    assert "Choose labels first" in d.said
    d.click(30, 30)
    d.press(Qt.Key.Key_N)
    d.dock.status.setFocus()
    QTest.mouseClick(panel.sizes.take, LEFT)
    diameter = np.sqrt(4 / np.pi * np.count_nonzero(d.labels))
    assert panel.form.fields["diameter"].value == pytest.approx(diameter / 2, abs=0.06)
    assert "the median of 1 object" in d.said
    panel.mode.setCurrentIndex(panel.mode.findData("objects"))
    panel._build_settings()
    assert panel.form is panel.settings and panel._diameter == pytest.approx(diameter, abs=0.1)
    d.labels[:] = 0
    QTest.mouseClick(panel.sizes.take, LEFT)
    assert "no object on this plane" in d.said
