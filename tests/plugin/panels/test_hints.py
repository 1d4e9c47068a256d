"""The line that says once that models for this kind of picture can be got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam_onnx.models.store.catalog import read_catalogue
from napari_sam_onnx.plugin.panels.models.model_panel import ModelPanel
from napari_sam_onnx.plugin.shelf.entry import ShelfEntry
from napari_sam_onnx.plugin.shelf.hints import find_hint, find_kinds, read_told, remember_told
from napari_sam_onnx.plugin.shelf.shelf import ModelShelf

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import Bench


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def list_entries(*here: str) -> tuple[ShelfEntry, ...]:
    cards = read_catalogue().cards
    return tuple(
        ShelfEntry(card, card.origin == "embedded" or card.id in here, 0) for card in cards
    )


def test_kinds_are_told_by_axes_and_brightness(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    gray = rng.integers(0, 255, (40, 50), np.uint8)
    bright = rng.integers(150, 255, (40, 50, 3), np.uint8)
    for data, rgb, kinds in (
        (gray, False, ("cells",)),
        (np.stack([gray] * 3), False, ("cells", "time")),
        (bright, True, ("tissue",)),
        (bright // 8, True, ("cells",)),
        (np.stack([bright] * 2), True, ("tissue", "time")),
    ):
        layer = bench.viewer.add_image(data, rgb=rgb)
        bench.session.choose_layer(layer)
        assert find_kinds(bench.session.picture) == kinds
        bench.viewer.layers.remove(layer)


def test_only_what_is_not_here_and_was_not_said_is_said(bench: Bench) -> None:
    bench.session.choose_layer(bench.open(np.zeros((3, 40, 50))))
    picture = bench.session.picture
    hint = find_hint(picture, list_entries(), ())
    assert hint is not None and hint.purpose == "cells"
    assert hint.text == "Get 3 models trained on cells"
    later = find_hint(picture, list_entries(), ("cells",))
    assert later is not None and later.purpose == "time"
    here = find_hint(picture, list_entries("microsam-vit-t-lm"), ())
    assert here is not None and here.purpose == "time"
    assert find_hint(picture, list_entries(), ("cells", "time")) is None
    assert find_hint(None, list_entries(), ()) is None
    assert find_hint(picture, None, ()) is None


def test_what_was_said_is_remembered_and_a_damaged_file_is_not_minded(home: Path) -> None:
    assert read_told() == frozenset()
    remember_told("cells")
    remember_told("time")
    assert read_told() == {"cells", "time"}
    (home / "config" / "hints.json").write_text("{")
    assert read_told() == frozenset()


def test_the_line_leads_to_the_list_and_goes_for_good(qtbot: Any, bench: Bench) -> None:
    shelf = ModelShelf(bench.session.engine)
    panel = ModelPanel(bench.session, shelf)
    qtbot.addWidget(panel)
    panel.show()
    assert not panel.hint_row.isVisible()
    bench.session.choose_layer(bench.open(np.zeros((3, 40, 50))))
    shelf.reload()
    qtbot.waitUntil(lambda: shelf.entries is not None, timeout=20_000)
    qtbot.waitUntil(panel.hint_row.isVisible, timeout=5_000)
    panel.hint_show.click()
    assert panel.manager is not None and panel.manager.isVisible()
    assert panel.manager.purpose.currentData() == "cells"
    assert not shelf.fetching  # nothing is got unasked
    assert not panel.hint_row.isVisible()
    qtbot.waitUntil(lambda: read_told() == {"cells"}, timeout=5_000)
    panel.refresh()
    assert not panel.hint_row.isVisible()  # one hint a picture is enough
    bench.session.choose_layer(bench.open(np.zeros((4, 40, 50)), name="other"))
    assert panel.hint_row.isVisible() and "time" in panel.hint_text.text()
    panel.hint_away.click()
    assert not panel.hint_row.isVisible()
    qtbot.waitUntil(lambda: read_told() == {"cells", "time"}, timeout=5_000)
    panel.shut()
    qtbot.waitUntil(lambda: not shelf._lane.busy, timeout=20_000)


def test_another_model_than_the_embedded_one_needs_no_hint(qtbot: Any, bench: Bench) -> None:
    shelf = ModelShelf(bench.session.engine)
    shelf.entries = list_entries()
    panel = ModelPanel(bench.session, shelf)
    qtbot.addWidget(panel)
    panel.show()
    bench.session.choose_layer(bench.open())
    assert panel.hint_row.isVisible()
    bench.session.choose_model("another")
    assert not panel.hint_row.isVisible()
    panel.shut()
