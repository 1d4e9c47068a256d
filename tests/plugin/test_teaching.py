"""Examples are clicked, and what is like them stays; judged objects teach; settings are fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QInputDialog

from napari_sam_onnx.automatic.taught import fit
from napari_sam_onnx.automatic.taught.fit import Fitted
from napari_sam_onnx.plugin.runs.judged import teaching
from napari_sam_onnx.records.presets import find_preset
from napari_sam_onnx.records.recipes import Recipe, open_planes, replay
from tests.fakes import ComponentModel
from tests.plugin.driver import CONTROL, SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Embedding
    from tests.plugin.driver import Driver

BRIGHT = [(20, 20), (20, 60), (20, 100), (60, 20)]
DIM = [(60, 60), (60, 100), (100, 20), (100, 60)]
LEFT = Qt.MouseButton.LeftButton


class Seeing(ComponentModel):
    """Has a map of features: what is bright, four times, and what is dim, four times."""

    def encode(self, image: NDArray[np.uint8]) -> Embedding:
        made = super().encode(image)
        gray = image[..., 0]
        kinds = np.stack([gray > 200, (gray > 100) & (gray < 200)]).astype(np.float32)
        made.tensors["seen"] = np.repeat(kinds, 4, axis=0)[None]
        return made


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path))


def draw() -> NDArray[np.uint8]:
    y, x = np.mgrid[:120, :120]
    picture = np.zeros((120, 120), np.uint8)
    for centers, value in ((BRIGHT, 255), (DIM, 150)):
        for cy, cx in centers:
            picture[(y - cy) ** 2 + (x - cx) ** 2 <= 81] = value
    return picture


def start(drive: Callable[..., Driver], picture: Any = None) -> tuple[Driver, Any]:
    d = drive(draw() if picture is None else picture, Seeing())
    QTest.mouseClick(d.dock.automatic_panel.run, LEFT)
    d.until(lambda: not d.dock.automatic.work.busy)
    assert len(d.ids) == 8
    d.dock.automatic_panel.filters.header.setChecked(True)
    section = next(s for s in d.dock.sections if s.body is d.dock.teach_panel)
    section.header.setChecked(True)
    return d, d.dock.teach_panel


def wait(d: Driver) -> None:
    d.until(lambda: not d.dock.teaching.work.busy)


def ring_color(d: Driver, center: tuple[int, int]) -> Any:
    """Return the colour of what is drawn two pixels beside an object of radius 9, or None."""
    layer = d.session.layers.preview.layer
    y, x = (round(at) for at in layer.world_to_data((center[0], center[1] + 11)))
    data = np.asarray(layer.data)
    if not (0 <= y < data.shape[0] and 0 <= x < data.shape[1]) or not data[y, x]:
        return None
    return layer.colormap.map(data[y : y + 1, x])[0]


def test_what_is_like_the_examples_stays_and_a_slider_shows_more(
    drive: Callable[..., Driver],
) -> None:
    d, panel = start(drive)
    assert not panel.similar.isEnabled()
    QTest.mouseClick(panel.examples["like"], LEFT)
    d.click(*BRIGHT[0])
    d.click(*BRIGHT[1])
    d.click(*BRIGHT[1])  # again: taken back
    assert panel.examples["like"].text() == "Like these (1)"
    QTest.mouseClick(panel.examples["unlike"], LEFT)
    d.click(*DIM[0])
    assert not len(d.points.data)  # clicks were no prompts
    like, unlike, taken_back = (ring_color(d, c) for c in (BRIGHT[0], DIM[0], BRIGHT[1]))
    assert like is not None and like[1] > like[0]  # green
    assert unlike is not None and unlike[0] > unlike[1]  # red
    assert taken_back is None
    QTest.mouseClick(panel.similar, LEFT)
    wait(d)
    assert all(d.labels[c] for c in BRIGHT) and not any(d.labels[c] for c in DIM)
    assert "4 of 8 objects" in d.said and d.dock.gestures.current is None
    filtering = d.dock.teaching.filtering
    (plane,) = filtering.finding.planes.values()
    asked_for = plane.found.selection.min_rating
    assert asked_for > 0 and filtering.selection.min_rating == 0.8 * asked_for
    limit = d.dock.automatic_panel.filter.learned["similarity"]
    assert limit.slider.isVisibleTo(d.dock.automatic_panel.filter)
    QTest.qWait(50)
    features = d.commits.labels.layer.features
    assert (features["similarity"] >= 0.5).all() and len(features) == 4
    limit._take(0.0)
    assert len(d.ids) in (4, 8)  # what is unlike may be rated below 0
    QTest.mouseClick(panel.clear, LEFT)
    assert panel.examples["like"].text() == "Like these" and not panel.similar.isEnabled()
    assert ring_color(d, BRIGHT[0]) is None


def test_examples_are_ringed_on_the_plane_that_is_shown(drive: Callable[..., Driver]) -> None:
    d, panel = start(drive, np.stack([draw(), draw()]))
    d.viewer.dims.set_current_step(0, 0)
    QTest.mouseClick(panel.examples["like"], LEFT)
    d.click(0, *BRIGHT[0])
    ring = d.shown
    assert ring > 0
    d.viewer.dims.set_current_step(0, 1)
    assert d.shown == 0
    d.viewer.dims.set_current_step(0, 0)
    assert d.shown == ring


def test_kept_and_deleted_objects_teach_and_the_next_run_is_rated_too(
    drive: Callable[..., Driver],
) -> None:
    d, panel = start(drive)
    QTest.mouseClick(panel.learn, LEFT)
    wait(d)
    assert "Nothing was judged yet" in d.said and not panel.again.isEnabled()
    for center in DIM[:2]:
        d.move(*center)
        d.press(Qt.Key.Key_K)
    finding = d.dock.filtering.finding
    finding.kept |= {int(d.labels[c]) for c in BRIGHT[:2]}
    QTest.mouseClick(panel.learn, LEFT)
    wait(d)
    assert all(d.labels[c] for c in BRIGHT) and not any(d.labels[c] for c in DIM)
    assert "Learned from 2 kept and 2 deleted: 2 of 4 others were left out" in d.said
    d.press(Qt.Key.Key_Z, CONTROL)
    assert all(d.labels[c] for c in (*BRIGHT, *DIM[2:])) and "leaves nothing out" in d.said
    d.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert all(d.labels[c] for c in BRIGHT) and not any(d.labels[c] for c in DIM)
    panel.again.click()
    QTest.mouseClick(d.dock.automatic_panel.run, LEFT)
    d.until(lambda: not d.dock.automatic.work.busy)
    layer = d.commits.labels.layer
    assert len(d.ids) == 4 and all(d.labels[c] for c in BRIGHT)
    recipe = Recipe.from_dict(layer.metadata["napari-sam-onnx"]["recipe"])
    again = Recipe.from_json(recipe.to_json())
    made = list(replay(again, open_planes(again, draw()), d.models["pebble"]))[-1]
    np.testing.assert_array_equal(made.labels > 0, layer.data > 0)


def test_few_examples_do_not_throw_away_most(drive: Callable[..., Driver]) -> None:
    d, panel = start(drive)
    d.move(*BRIGHT[0])
    d.press(Qt.Key.Key_K)
    d.dock.filtering.finding.kept |= {int(d.labels[c]) for c in DIM[:3]}
    QTest.mouseClick(panel.learn, LEFT)
    wait(d)
    assert len(d.ids) == 7 and d.session.status.kind == "info"
    assert d.said.startswith("Learned from 3 kept and 1 deleted, too few: 3 of 4 others would go")
    assert not panel.again.isEnabled()  # it is not for the next runs either
    limit = d.dock.automatic_panel.filter.learned["learned"]
    assert limit.slider.isVisibleTo(d.dock.automatic_panel.filter)
    limit._take(0.5)
    assert len(d.ids) == 4  # whoever wants it gets it


def test_settings_are_fitted_in_a_region_and_saved(
    drive: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    d, panel = start(drive)
    asked = []

    def answer(rgb: Any, model: Any, labels: Any, inside: Any, cache: Any) -> Fitted:
        asked.append((labels, inside))
        return Fitted({"diameter": 18.0, "min_rating": 0.4}, 0.9, 0.5)

    monkeypatch.setattr(teaching, "fit_settings", answer)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("discs", True))
    d.viewer.add_shapes([[(0, 0), (0, 119), (50, 119), (50, 0)]], name="here")
    where = d.dock.automatic_panel.where
    where.inside.setCurrentIndex(1)
    QTest.mouseClick(panel.fit, LEFT)
    wait(d)
    labels, inside = asked[0]
    np.testing.assert_array_equal(labels, d.labels)
    assert inside[:50].all() and not inside[60:].any()
    assert "Saved the preset" in d.said
    assert d.dock.automatic_panel.form.fields["diameter"].value == 18
    assert find_preset("discs").settings == {"diameter": 18.0, "min_rating": 0.4}


def test_fitting_needs_labels(drive: Callable[..., Driver]) -> None:
    d = drive(draw(), Seeing())
    d.dock.teaching.fit(None)
    assert "Choose the labels to fit to" in d.said
    d.dock.teaching.find_similar()
    assert "Like these" in d.said
    assert fit.WORTH > 0
