"""Several models on one prompt: answers side by side, one of which is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.cards import ModelCard, ModelFile
from napari_sam_onnx.plugin.panels.automatic.compare_panel import ComparePanel
from napari_sam_onnx.plugin.runs.comparison import Comparison
from napari_sam_onnx.plugin.runs.thumbnails import OUTLINE, draw_thumbnail, find_region
from napari_sam_onnx.plugin.shelf.entry import ShelfEntry
from napari_sam_onnx.plugin.shelf.shelf import ModelShelf
from tests.fakes import ComponentModel, draw_discs
from tests.plugin.conftest import CENTERS, RADIUS

if TYPE_CHECKING:
    from tests.plugin.conftest import Bench

LEFT = Qt.MouseButton.LeftButton
DISC = int((draw_discs((100, 120), CENTERS[:1], RADIUS) > 0).sum())
PRESENT = [("Narrow", "pebble"), ("Wide", "wide"), ("Everything", "all"), ("Broken", "broken")]


def put_on(shelf: ModelShelf, present: list[tuple[str, str]]) -> None:
    """Let a shelf have these models, as if it had found them."""
    files = (ModelFile("encoder", "encoder.onnx"), ModelFile("decoder", "decoder.onnx"))
    cards = [ModelCard(model_id, name, "SAM", files) for name, model_id in present]
    shelf.entries = tuple(ShelfEntry(card, here=True) for card in cards)
    shelf.listed.emit()


@pytest.fixture
def panel(qtbot: Any, bench: Bench) -> Any:
    bench.models["wide"] = ComponentModel("wide", scores=(0.1, 0.8, 0.2))
    bench.models["all"] = ComponentModel("all", scores=(0.1, 0.2, 1.3))
    load = bench.session.engine._load

    def load_or_fail(source: Any) -> Any:
        if source == "broken":
            raise ModelError("The file of “broken” is damaged; download it again.")
        return load(source)

    bench.session.engine._load = load_or_fail
    shelf = ModelShelf(bench.session.engine)
    made = ComparePanel(bench.session, shelf, Comparison(bench.session))
    put_on(shelf, PRESENT)
    qtbot.addWidget(made)
    made.show()
    return made


def tick(panel: ComparePanel, *sources: str) -> None:
    for row in range(panel.models.count()):
        item = panel.models.item(row)
        on = item.data(Qt.ItemDataRole.UserRole) in sources
        item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def compare(qtbot: Any, panel: ComparePanel, *sources: str) -> None:
    tick(panel, *sources)
    qtbot.mouseClick(panel.run, LEFT)
    qtbot.waitUntil(lambda: not panel.comparison.work.busy, timeout=20_000)


def test_each_model_answers_and_a_mask_is_taken(qtbot: Any, bench: Bench, panel: Any) -> None:
    assert not panel.run.isEnabled() and "Click on an object" in panel.text.text()
    bench.open()
    bench.click(*CENTERS[0])
    assert not panel.run.isEnabled() and "Tick two" in panel.text.text()
    compare(qtbot, panel, "pebble", "wide", "all")
    titles = [card.title.toolTip() for card in panel.cards]
    assert titles == ["Narrow", "Wide", "Everything", "Mean of 3", "Majority of 3"]
    areas = [result.answer.mask.area for result in panel.comparison.results]
    assert areas[0] == DISC and areas[0] < areas[1] < areas[2] == 3 * DISC
    assert areas[4] == DISC  # the wide ring has one vote, the other discs have one
    facts = [card.facts.text() for card in panel.cards]
    assert facts[0].startswith("IoU 0.95\nencoded before\ndecode ")
    assert facts[2].startswith("IoU 1.00\nencode ")  # a raw score above 1
    assert f"{DISC} px" in panel.cards[0].facts.toolTip()
    assert bench.session.source == "pebble" and bench.session.engine.loaded("pebble")

    assert bench.shown == DISC
    qtbot.mouseClick(panel.cards[1].take, LEFT)
    assert bench.shown == areas[1]
    bench.commits.accept()
    assert int((bench.labels == 1).sum()) == areas[1]


def test_an_ensemble_is_taken_and_another_prompt_needs_another_comparison(
    qtbot: Any, bench: Bench, panel: Any
) -> None:
    bench.open()
    bench.click(*CENTERS[1])
    compare(qtbot, panel, "pebble", "wide")
    mean, majority = panel.comparison.results[2:]
    assert majority.answer.mask.area == DISC  # of two, where both are
    qtbot.mouseClick(panel.cards[2].take, LEFT)
    assert bench.shown == mean.answer.mask.area
    bench.click(CENTERS[1][0] + 2, CENTERS[1][1])
    assert "compare again" in panel.text.text()
    assert not any(card.take.isEnabled() for card in panel.cards)
    before = bench.shown
    panel.comparison.take(1)
    assert bench.shown == before and "compare again" in bench.said


def test_a_model_that_fails_does_not_stop_the_others(qtbot: Any, bench: Bench, panel: Any) -> None:
    bench.open()
    bench.click(*CENTERS[0])
    compare(qtbot, panel, "pebble", "broken")
    assert "is damaged" in panel.cards[1].facts.text()
    qtbot.waitUntil(panel.cards[0].take.isVisible)
    assert not panel.cards[1].take.isVisible()
    assert len(panel.cards) == 2  # one mask makes no ensemble


def test_models_apart_are_closed_after_their_answer(qtbot: Any, bench: Bench, panel: Any) -> None:
    closed = []
    for model_id in ("pebble", "wide"):
        model = bench.load(model_id)
        model.close = lambda model_id=model_id: closed.append(model_id)
    bench.open()
    bench.click(*CENTERS[0])
    compare(qtbot, panel, "pebble", "wide")
    assert closed == ["wide"]


def test_one_model_alone_is_said(qtbot: Any, bench: Bench) -> None:
    shelf = ModelShelf(bench.session.engine)
    panel = ComparePanel(bench.session, shelf, Comparison(bench.session))
    qtbot.addWidget(panel)
    assert "Looking for models" in panel.text.text() and not panel.run.isEnabled()
    put_on(shelf, PRESENT[:1])
    assert "Only one model" in panel.text.text() and not panel.run.isEnabled()
    put_on(shelf, PRESENT[:2])
    assert [source for _, source in panel.ticked] == ["pebble"]


def test_thumbnails_show_the_same_part_with_the_outline() -> None:
    shape = (60, 200)
    rgb = np.zeros((*shape, 3), np.uint8)
    small = Mask(shape, (20, 100), np.ones((10, 10), bool), 0.5)
    large = Mask(shape, (15, 90), np.ones((20, 40), bool), 0.5)
    region = find_region([small, large], shape)
    y0, x0, y1, x1 = region
    assert y1 - y0 == x1 - x0 == 60 and x0 < 90 and x1 > 130
    drawn = draw_thumbnail(rgb, small, region, 120)  # two pixels for one
    assert drawn.shape == (120, 120, 3)
    rows, columns = np.nonzero((drawn == OUTLINE).all(axis=2))
    assert (rows.min(), rows.max()) == ((20 - y0) * 2, (30 - y0) * 2 - 1)
    assert (columns.min(), columns.max()) == ((100 - x0) * 2, (110 - x0) * 2 - 1)
    assert not draw_thumbnail(rgb, None, region, 120).any()
    assert find_region([], shape) == (0, 0, *shape)
    assert draw_thumbnail(rgb, None, (0, 0, *shape), 100).shape == (30, 100, 3)
