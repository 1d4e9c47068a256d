"""Objects by a word: SAM 3's masks, a detector's boxes, and what is said without either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_sam_onnx.models.store.card_toml import write_card
from napari_sam_onnx.models.store.cards import ModelCard, ModelFile
from napari_sam_onnx.models.store.catalog import find_card
from napari_sam_onnx.models.store.places import cards_dir
from napari_sam_onnx.plugin.panels.automatic.find_panel import NOTHING_HERE, FindPanel
from napari_sam_onnx.plugin.picture.geometry import role_of
from napari_sam_onnx.plugin.runs import search
from napari_sam_onnx.plugin.runs.finder import Finder
from napari_sam_onnx.plugin.runs.stack import StackRuns
from napari_sam_onnx.plugin.runs.work import Work
from napari_sam_onnx.plugin.session.stack_axes import StackAxes
from napari_sam_onnx.plugin.shelf.shelf import ModelShelf
from tests.automatic.test_look_up import ColourModel
from tests.models.detector_files import Dino, Yolo, build_dino, build_yolo
from tests.models.flow_files import build_flows
from tests.models.sam3_files import Sam3Plan, build_sam3
from tests.plugin.panels.models.test_model_manager import drop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import Bench

LEFT = Qt.MouseButton.LeftButton
RED, GREEN = (slice(10, 42), slice(20, 90)), (slice(60, 84), slice(96, 120))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NAPARI_SAM_ONNX_MODELS", raising=False)


class Desk:
    """The panel over a stack of two colour planes, of which the second has objects."""

    def __init__(self, qtbot: Any, bench: Bench) -> None:
        self.qtbot, self.bench = qtbot, bench
        self.stack = np.zeros((2, 96, 128, 3), np.uint8)
        self.stack[(1, *RED, 0)] = 255
        self.stack[(1, *GREEN, 1)] = 255
        bench.open(self.stack, rgb=True, scale=(2, 1, 1))
        bench.viewer.dims.set_current_step(0, 1)
        self.shelf = ModelShelf(bench.session.engine)
        axes = StackAxes(bench.session)
        self.finder = Finder(bench.session, axes)
        self.stacks = StackRuns(bench.session, axes, Work())
        self.panel = FindPanel(bench.session, self.shelf, self.finder, self.stacks)
        qtbot.addWidget(self.panel)
        self.panel.show()
        assert self.panel.text.text() == "Looking for models …"
        self.shelf.reload()
        self.wait(lambda: self.shelf.entries is not None)

    def wait(self, holds: Any) -> None:
        self.qtbot.waitUntil(holds, timeout=20_000)

    def find(self, words: str) -> Any:
        """Type words and press the button; the layer that was made, if one was."""
        before = set(self.bench.viewer.layers)
        self.panel.words.clear()
        self.qtbot.keyClicks(self.panel.words, words)
        self.qtbot.mouseClick(self.panel.run, LEFT)
        self.wait(lambda: not self.finder.work.busy)
        made = set(self.bench.viewer.layers) - before
        return made.pop() if made else None

    def choose(self, combo: Any, text: str) -> None:
        """Choose an entry as with the mouse."""
        combo.setCurrentIndex(combo.findText(text, Qt.MatchFlag.MatchContains))
        combo.activated.emit(combo.currentIndex())

    def close(self) -> None:
        self.stacks.close()
        self.finder.close()
        self.shelf.close()


@pytest.fixture
def desk(qtbot: Any, bench: Bench) -> Any:
    made = Desk(qtbot, bench)
    yield made
    made.close()


def expect(layer: Any, *parts: Any) -> None:
    plane = np.zeros((96, 128), bool)
    for part in parts:
        plane[part] = True
    np.testing.assert_array_equal(layer.data[1] > 0, plane)
    assert not layer.data[0].any()
    np.testing.assert_allclose(layer.scale, (2, 1, 1))
    assert len(np.unique(layer.data)) == 1 + len(parts)


def test_without_a_finder_a_sentence_says_what_to_add(desk: Desk) -> None:
    assert desk.panel.text.text() == NOTHING_HERE
    assert not desk.panel.run.isEnabled() and not desk.panel.words.isEnabled()


def test_a_dropped_detector_finds_objects_without_a_word(desk: Desk, tmp_path: Path) -> None:
    assert drop(desk.panel, [build_yolo(tmp_path / "sees_all.onnx", Yolo())])
    desk.wait(lambda: desk.panel.models.count() == 1)
    assert find_card("sees-all").files[0].sha256
    active = desk.bench.viewer.layers.selection.active
    layer = desk.find("")
    expect(layer, RED, GREEN)
    assert role_of(layer) == "labels" and layer.name == "cells found"
    assert desk.bench.viewer.layers.selection.active is active
    assert "2 objects" in desk.bench.said
    assert desk.bench.session.source == "pebble"  # a detector answers no clicks


def test_a_detector_that_reads_finds_what_is_named(desk: Desk, tmp_path: Path) -> None:
    desk.shelf.add([build_dino(tmp_path / "reader.onnx", Dino())])
    desk.wait(lambda: desk.panel.models.count() == 1)
    expect(desk.find("green"), GREEN)
    expect(desk.find("red, green"), RED, GREEN)
    assert desk.find("blue") is None
    assert "Found no “blue”" in desk.bench.said
    assert desk.find("") is None
    assert desk.bench.session.status.kind == "error"  # it must be told what to look for


def add_sam3(desk: Desk, tmp_path: Path, plan: Sam3Plan) -> None:
    """Put a small SAM 3 on this computer."""
    folder = tmp_path / "sam3"
    folder.mkdir()
    roles = ("encoder", "language_encoder", "decoder")
    files = [
        ModelFile(role, path.name, path=path)
        for role, path in zip(roles, build_sam3(folder, plan), strict=True)
    ]
    card = ModelCard(
        "tiny-sam3",
        "Tiny SAM 3",
        "SAM 3",
        tuple(files),
    )
    cards_dir().mkdir(parents=True)
    write_card(card, cards_dir() / "tiny-sam3.toml")
    desk.shelf.reload()
    desk.wait(lambda: desk.panel.models.count() == 1)


def test_a_model_that_reads_text_answers_with_masks(desk: Desk, tmp_path: Path) -> None:
    add_sam3(desk, tmp_path, Sam3Plan())
    layer = desk.find("red")
    assert layer.data[1][RED].mean() > 0 and not layer.data[0].any()
    found = layer.data[1] > 0
    assert found[RED].sum() / found.sum() > 0.9
    assert desk.bench.models["pebble"].decoded == 0  # no click was needed


def test_boxes_are_examples_of_what_is_wanted(desk: Desk, tmp_path: Path) -> None:
    add_sam3(desk, tmp_path, Sam3Plan(masks="logits", slots=2))
    desk.panel.like.click()
    assert desk.find("") is None
    assert "Draw a box around an example" in desk.bench.said
    desk.bench.session.add_box((58, 94, 86, 122))  # around the green one
    found = desk.find("green")
    assert found is not None and not found.data[0].any()
    assert (found.data[1][GREEN] > 0).mean() > 0.9


def test_a_detector_takes_no_examples(desk: Desk, tmp_path: Path) -> None:
    desk.shelf.add([build_yolo(tmp_path / "sees_all.onnx", Yolo())])
    desk.wait(lambda: desk.panel.models.count() == 1)
    desk.bench.session.add_box((58, 94, 86, 122))
    desk.panel.like.click()
    assert desk.find("") is None
    assert "takes no examples" in desk.bench.said


def test_a_file_that_is_neither_is_refused_with_a_sentence(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no graph")
    assert drop(desk.panel, [path])
    desk.wait(lambda: desk.shelf.failed and not desk.shelf.busy)
    assert "broken.onnx" in desk.shelf.text and desk.panel.models.count() == 0
    assert not list(cards_dir().glob("*.toml"))


def test_a_network_of_cells_needs_no_word(desk: Desk, tmp_path: Path) -> None:
    desk.shelf.add([build_flows(tmp_path / "cells.onnx")])
    desk.wait(lambda: desk.panel.models.count() == 1)
    desk.stack[1] = 0
    for top, left in ((10, 20), (60, 90)):
        desk.stack[1, top : top + 12, left : left + 12, 0] = 255  # the small network looks at red
    layer = desk.find("")
    expect(layer, (slice(10, 22), slice(20, 32)), (slice(60, 72), slice(90, 102)))
    assert "2 objects" in desk.bench.said and desk.bench.models["pebble"].decoded == 0


def test_the_catalogues_network_is_found_where_its_file_is(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lab" / "cellpose-sam"
    folder.mkdir(parents=True)
    build_flows(folder / "cpsam_fp16.onnx", dtype="float16")
    monkeypatch.setenv("NAPARI_SAM_ONNX_MODELS", str(tmp_path / "lab"))
    desk.shelf.reload()
    desk.wait(lambda: desk.panel.models.count() == 1)
    assert desk.panel.models.currentText() == "Cellpose-SAM"
    desk.stack[1] = 0
    for top, left in ((10, 20), (60, 90)):
        desk.stack[1, top : top + 12, left : left + 12, 0] = 255
    layer = desk.find("")
    expect(layer, (slice(10, 22), slice(20, 32)), (slice(60, 72), slice(90, 102)))
    # what was found is corrected with clicks by the model that answers them
    desk.bench.click(1, 65, 95)
    assert desk.bench.models["pebble"].decoded


def test_a_network_of_cells_makes_a_volume_of_a_stack(desk: Desk, tmp_path: Path) -> None:
    desk.shelf.add([build_flows(tmp_path / "cells.onnx")])
    desk.wait(lambda: desk.panel.models.count() == 1)
    stack = np.zeros((12, 48, 64), np.uint8)
    for top, left in ((8, 10), (28, 40)):
        stack[2:10, top : top + 10, left : left + 10] = 255
    desk.bench.open(stack, name="deep", axis_labels=("z", "y", "x"), scale=(1, 1, 1))
    assert not desk.panel.words.isEnabled() and desk.panel.kind.isHidden()
    desk.choose(desk.panel.scope, "Whole stack: 12 planes")
    assert not desk.panel.kind.isHidden() and desk.panel.tile.isHidden()
    for kind, name in (("Volume", "deep volume"), ("Planes", "deep stitched")):
        desk.choose(desk.panel.kind, kind)
        desk.qtbot.mouseClick(desk.panel.run, LEFT)
        assert desk.stacks.work.busy and desk.panel.cancel.isEnabled()
        desk.wait(lambda: not desk.stacks.work.busy)
        layer = desk.bench.viewer.layers[name]
        assert np.unique(layer.data).tolist() == [0, 1, 2], kind
        assert len(np.unique(layer.data[3:9, 12, 14])) == 1 and layer.data[5, 12, 14]
        assert "2 objects" in desk.bench.said
    assert desk.bench.session.source == "pebble"  # clicks are answered by what answered them


def test_a_word_is_looked_for_on_every_plane(desk: Desk, tmp_path: Path) -> None:
    add_sam3(desk, tmp_path, Sam3Plan())
    desk.stack[(0, *RED, 0)] = 255
    desk.choose(desk.panel.scope, "Whole stack: 2 planes")
    layer = desk.find("red")
    for plane in layer.data:
        found = plane > 0
        assert found[RED].sum() / found.sum() > 0.9
    assert "objects in “cells red”" in desk.bench.said
    assert desk.find("blue") is None and "on any plane" in desk.bench.said


def test_a_box_on_one_cell_finds_the_rest(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_sam3(desk, tmp_path, Sam3Plan())
    model = ColourModel()
    monkeypatch.setattr(search.Searcher, "_open", lambda self, finder: model)
    cells = np.full((2, 96, 128, 3), 90, np.uint8)
    for plane, y, x, colour in (
        (1, 10, 10, (220, 30, 30)),
        (1, 60, 90, (220, 30, 30)),
        (1, 40, 50, (220, 120, 120)),
        (0, 30, 60, (220, 30, 30)),
        (0, 70, 20, (220, 120, 120)),
    ):
        cells[plane, y : y + 12, x : x + 12] = colour
    desk.bench.open(cells, name="both", rgb=True)
    desk.bench.viewer.dims.set_current_step(0, 1)
    desk.panel.like.click()
    desk.bench.session.add_box((9, 9, 22, 22))
    layer = desk.find("")
    assert len(np.unique(layer.data[1])) == 4 and not layer.data[0].any()
    assert model.asked[0] is None and model.asked[2] == [1]
    # a box with a click in it that excludes shows what is not wanted
    desk.bench.session.add_box((39, 49, 52, 62))
    desk.bench.click(1, 46, 56, positive=False)
    layer = desk.find("red")
    assert len(np.unique(layer.data[1])) == 3 and not layer.data[1, 45, 55]
    assert model.asked[0] == "red" and model.asked[2] == [1, 0]
    # on all planes, in tiles
    desk.choose(desk.panel.scope, "Whole stack")
    desk.panel.tile.setValue(64)
    layer = desk.find("")
    assert layer.data[0, 35, 65] and not layer.data[0, 75, 25] and not layer.data[1, 45, 55]
    assert len({layer.data[1, 15, 15], layer.data[1, 65, 95], 0}) == 3


def test_a_search_is_cancelled(desk: Desk, tmp_path: Path) -> None:
    desk.shelf.add([build_yolo(tmp_path / "sees.onnx", Yolo())])
    desk.wait(lambda: desk.panel.models.count() == 1)
    before = list(desk.bench.viewer.layers)
    desk.qtbot.mouseClick(desk.panel.run, LEFT)
    assert desk.panel.cancel.isEnabled() and not desk.panel.run.isEnabled()
    desk.qtbot.mouseClick(desk.panel.cancel, LEFT)
    desk.wait(lambda: not desk.finder.work.busy)
    assert list(desk.bench.viewer.layers) == before
    assert desk.bench.said == "Cancelled." and desk.panel.run.isEnabled()
