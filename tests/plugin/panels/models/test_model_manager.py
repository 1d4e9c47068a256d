"""The model manager: real clicks on its buttons, files from a server on this machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QMessageBox, QWidget

from napari_sam_onnx.models.store import catalog
from napari_sam_onnx.models.store.cards import ModelCard, ModelFile
from napari_sam_onnx.models.store.catalog import find_card
from napari_sam_onnx.models.store.places import models_dir
from napari_sam_onnx.models.store.transfer import Network
from napari_sam_onnx.plugin.panels.models.add_model import AddModelDialog
from napari_sam_onnx.plugin.panels.models.model_manager import ModelManager
from napari_sam_onnx.plugin.panels.models.model_panel import ModelPanel
from napari_sam_onnx.plugin.panels.models.model_table import STATE_COLUMN
from napari_sam_onnx.plugin.shelf.rows import COLUMNS
from napari_sam_onnx.plugin.shelf.shelf import ModelShelf, find_common_name
from tests.models.families import FAMILIES
from tests.models.file_server import run_server, sha256
from tests.models.onnx_pairs import build_decoder, build_encoder
from tests.plugin.conftest import CENTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugin.conftest import Bench

SPEED_COLUMN = COLUMNS.index("Speed here")
LEFT = Qt.MouseButton.LeftButton
LOCAL = Network(attempts=2, backoff=0.01, timeout=20, plain_localhost=True)
ENCODER = bytes(range(256)) * 400
DECODER = b"decoder" * 1000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    for name in ("MODELS", "MIRROR"):
        monkeypatch.delenv(f"NAPARI_SAM_ONNX_{name}", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def server() -> Iterator[Any]:
    with run_server() as running:
        yield running


def make_card(server: Any, model_id: str, *, hashed: bool = True, **options: Any) -> ModelCard:
    """A model of two files that the server serves."""
    files = tuple(
        ModelFile(
            role,
            f"{role}.onnx",
            url=server.serve(f"/{model_id}/{role}.onnx", body, **options),
            size=len(body),
            sha256=sha256(body) if hashed else None,
        )
        for role, body in (("encoder", ENCODER), ("decoder", DECODER))
    )
    return ModelCard(
        model_id,
        model_id.title(),
        "Test SAM",
        files,
        licence="MIT",
        commercial_use=True,
        origin="catalogue",
    )


class Hands:
    """A manager over a few models, and what one does with it."""

    def __init__(self, qtbot: Any, bench: Bench, *cards: ModelCard) -> None:
        self.qtbot, self.bench = qtbot, bench
        self.parent = QWidget()
        qtbot.addWidget(self.parent)
        self.shelf = ModelShelf(bench.session.engine, network=LOCAL)
        self.manager = ModelManager(bench.session, self.shelf, self.parent)
        self.manager.show()
        self.wait(lambda: self.shelf.entries is not None)

    def wait(self, holds: Any) -> None:
        self.qtbot.waitUntil(holds, timeout=20_000)

    def idle(self) -> None:
        self.wait(lambda: not self.shelf.busy)

    def press(self, button: Any) -> None:
        assert button.isEnabled() and button.isVisible(), button.text()
        self.qtbot.mouseClick(button, LEFT)

    def choose(self, model_id: str) -> None:
        assert self.manager.view.choose(model_id)

    def drop(self, paths: list[Path], on: Any = None) -> bool:
        return drop(on or self.manager, paths)

    def cell(self, model_id: str, column: int = STATE_COLUMN) -> str:
        rows = self.manager.view.table.rows
        return next(row.cells[column] for row in rows if row.model_id == model_id)

    @property
    def ids(self) -> list[str]:
        kept = self.manager.view.filter
        rows = [kept.mapToSource(kept.index(i, 0)).row() for i in range(kept.rowCount())]
        return [self.manager.view.table.rows[row].model_id for row in rows]

    @property
    def said(self) -> str:
        return str(self.manager.said.text())


def drop(widget: QWidget, paths: list[Path]) -> bool:
    """Drag files over a widget and let go; whether it takes them."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    copy, nothing = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(5, 5), copy, mime, LEFT, nothing)
    enter.ignore()
    QApplication.sendEvent(widget, enter)
    if not enter.isAccepted():
        return False
    QApplication.sendEvent(widget, QDropEvent(QPointF(5, 5), copy, mime, LEFT, nothing))
    return True


@pytest.fixture
def open_manager(qtbot: Any, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    embedded = catalog._packaged_cards()[0]
    opened: list[Hands] = []

    def make(*cards: ModelCard) -> Hands:
        monkeypatch.setattr(catalog, "_packaged_cards", lambda: (embedded, *cards))
        opened.append(Hands(qtbot, bench))
        return opened[-1]

    yield make
    for hands in opened:
        hands.shelf.close()
        hands.wait(lambda hands=hands: not hands.shelf._lane.busy)
        hands.wait(lambda hands=hands: hands.shelf._downloads._running is None)


@pytest.fixture
def tiny_pair(tmp_path: Path) -> tuple[Path, Path]:
    family = FAMILIES[0]
    assert family.encoder is not None
    return (
        build_encoder(tmp_path / "tiny_encoder.onnx", family.encoder),
        build_decoder(tmp_path / "tiny_decoder.onnx", family.decoder),
    )


def test_a_download_shows_how_far_it_is_and_arrives(open_manager: Any, server: Any) -> None:
    hands = open_manager(make_card(server, "small", pause=0.02))  # two seconds
    manager = hands.manager
    assert hands.ids == ["pebble", "small"]
    assert hands.cell("pebble") == "embedded" and hands.cell("small") == "no"
    hands.choose("small")
    assert manager.get.text() == "Download 109 kB" and not manager.use.isEnabled()
    assert not manager.remove.isEnabled() and not manager.measure.isEnabled()
    hands.press(manager.get)
    assert manager.cancel.isVisible() and not manager.get.isVisible()
    seen = set()
    while hands.shelf.fetching:
        seen.add(hands.cell("small"))
        hands.qtbot.wait(40)
    percents = {int(text.split()[1]) for text in seen if "%" in text}
    assert len(percents) > 3 and min(percents) < 50 < max(percents), seen
    hands.idle()
    assert hands.cell("small") == "yes" and "is here" in hands.said
    assert (models_dir() / "small/encoder.onnx").read_bytes() == ENCODER
    assert manager.use.isEnabled() and not manager.get.isEnabled()


def test_cancel_keeps_the_part_and_the_next_download_continues_it(
    open_manager: Any, server: Any
) -> None:
    hands = open_manager(make_card(server, "small", pause=0.02))
    manager = hands.manager
    hands.choose("small")
    hands.press(manager.get)
    hands.wait(lambda: (hands.shelf.fetching["small"].fraction or 0) > 0.1)
    hands.press(manager.cancel)
    assert "stopping" in hands.cell("small") and not manager.cancel.isEnabled()
    hands.wait(lambda: not hands.shelf.fetching)
    hands.idle()
    part = models_dir() / "small/encoder.onnx.part"
    kept = part.stat().st_size
    assert 0 < kept < len(ENCODER)
    assert hands.cell("small").startswith("in part") and not hands.shelf.failed
    assert manager.get.text() == "Go on downloading"
    server.routes["/small/encoder.onnx"].pause = 0
    hands.press(manager.get)
    hands.wait(lambda: hands.cell("small") == "yes")
    assert server.ranges("/small/encoder.onnx")[-1] == f"bytes={kept}-"
    assert (models_dir() / "small/encoder.onnx").read_bytes() == ENCODER


def test_a_download_that_waits_its_turn_can_be_given_up(open_manager: Any, server: Any) -> None:
    hands = open_manager(make_card(server, "first", pause=0.02), make_card(server, "second"))
    manager = hands.manager
    for model_id in ("first", "second"):
        hands.choose(model_id)
        hands.press(manager.get)
    hands.wait(lambda: "%" in hands.cell("first"))
    assert hands.cell("second") == "waiting"
    hands.press(manager.cancel)
    assert hands.cell("second") == "no" and "first" in hands.shelf.fetching
    hands.choose("first")
    hands.press(manager.cancel)
    hands.wait(lambda: not hands.shelf.fetching)
    assert not [request for request in server.requests if "second" in request.path]


def test_a_file_that_is_not_the_published_one_fails_with_a_sentence(
    open_manager: Any, server: Any
) -> None:
    card = make_card(server, "small")
    server.serve("/small/encoder.onnx", ENCODER[::-1])
    hands = open_manager(card)
    manager = hands.manager
    hands.choose("small")
    hands.press(manager.get)
    hands.wait(lambda: hands.cell("small").startswith("failed: "))
    hands.idle()
    assert "is not the file that was published" in hands.said
    assert "is not the file that was published" in manager.details.text()
    assert manager.get.text() == "Try again" and not manager.use.isEnabled()
    assert not (models_dir() / "small/encoder.onnx").exists()
    server.serve("/small/encoder.onnx", ENCODER)
    hands.press(manager.get)
    hands.wait(lambda: hands.cell("small") == "yes")
    assert "published" not in hands.said


def test_removing_asks_first(open_manager: Any, server: Any, bench: Bench) -> None:
    hands = open_manager(make_card(server, "small"))
    manager = hands.manager
    hands.choose("pebble")
    assert not manager.remove.isEnabled()
    hands.choose("small")
    hands.press(manager.get)
    hands.wait(lambda: hands.cell("small") == "yes")
    hands.press(manager.use)
    assert bench.session.source == "small" and manager.use.text() == "In use"

    def answer(word: str) -> str:
        hands.press(manager.remove)
        (box,) = [b for b in manager.findChildren(QMessageBox) if b.isVisible()]
        text = box.text()
        hands.press(next(b for b in box.buttons() if b.text().replace("&", "") == word))
        return str(text)

    assert "Remove Small from this computer (109 kB)? It is in use" in answer("Keep")
    assert (models_dir() / "small").is_dir() and bench.session.source == "small"
    answer("Remove")
    hands.wait(lambda: hands.cell("small") == "no")
    assert not (models_dir() / "small").exists() and bench.session.source == "pebble"
    assert hands.ids == ["pebble", "small"]


def test_a_dropped_pair_is_checked_added_and_used(
    open_manager: Any, tiny_pair: tuple[Path, Path], bench: Bench
) -> None:
    hands = open_manager()
    manager = hands.manager
    encoder, decoder = tiny_pair
    assert not hands.drop([encoder.with_suffix(".txt")])
    assert hands.drop([encoder, encoder])
    hands.wait(lambda: hands.shelf.failed)
    assert "are both encoders" in hands.said and hands.ids == ["pebble"]
    assert hands.drop([decoder, encoder])
    hands.wait(lambda: "tiny" in hands.ids)
    hands.idle()
    assert "is added as “tiny”; it answers clicks." in hands.said
    assert manager.view.chosen == "tiny" and find_card("tiny").contract == "E1 + A"
    assert [file.name for file in find_card("tiny").files] == [encoder.name, decoder.name]
    assert hands.drop([encoder, decoder])  # once more, under another id
    hands.wait(lambda: "tiny-2" in hands.ids)

    bench.open()
    bench.click(*CENTERS[0])
    bench.commits.accept()
    bench.click(*CENTERS[1])
    labels = bench.labels.copy()
    assert bench.models["pebble"].decoded == 2 and bench.session.source == "pebble"
    hands.choose("tiny")
    hands.press(manager.use)
    assert bench.session.source == "tiny" and manager.use.text() == "In use"
    assert bench.models["tiny"].decoded == 1 and bench.shown  # the open object is asked again
    np.testing.assert_array_equal(bench.labels, labels)
    np.testing.assert_allclose(bench.session.prompts.points, [CENTERS[1]])


def test_files_are_added_by_the_form(open_manager: Any, tiny_pair: tuple[Path, Path]) -> None:
    hands = open_manager()
    hands.press(hands.manager.add)
    (form,) = hands.manager.findChildren(AddModelDialog)
    assert not form.add.isEnabled()
    form.encoder.setText(str(tiny_pair[0]))
    form.decoder.setText(str(tiny_pair[1]))
    assert form.id.placeholderText() == "tiny"
    form.id.setText("My Model")
    hands.press(form.add)
    hands.wait(lambda: hands.shelf.failed)
    assert "'My Model' cannot be an id" in hands.said
    hands.press(hands.manager.add)
    form = next(f for f in hands.manager.findChildren(AddModelDialog) if f.isVisible())
    form.encoder.setText(str(tiny_pair[0]))
    form.decoder.setText(str(tiny_pair[1]))
    form.id.setText("mine")
    form.name.setText("My own")
    form.licence.setText("CC-BY-4.0")
    hands.press(form.copy)
    assert not form.copy.isChecked()
    hands.press(form.add)
    hands.wait(lambda: "mine" in hands.ids)
    card = find_card("mine")
    assert (card.name, card.licence) == ("My own", "CC-BY-4.0")
    assert card.files[0].path.samefile(tiny_pair[0])
    assert not (models_dir() / "mine").exists()


def test_speed_is_measured_when_asked_and_remembered(
    open_manager: Any, bench: Bench, home: Path
) -> None:
    hands = open_manager()
    hands.choose("pebble")
    assert hands.cell("pebble", SPEED_COLUMN) == "–" and not (home / "speeds.json").exists()
    hands.press(hands.manager.measure)
    hands.idle()
    hands.wait(lambda: hands.cell("pebble", SPEED_COLUMN) not in ("–", "measuring …"))
    kept = json.loads((home / "speeds.json").read_text())["pebble"]
    assert kept["encode_ms"] > 0 and kept["decode_ms"] > 0
    assert "to encode a plane of 1024" in hands.manager.details.text()
    again = ModelShelf(bench.session.engine)
    again.reload()
    hands.wait(lambda: again.entry("pebble") is not None)
    assert again.entry("pebble").speed.encode_ms == kept["encode_ms"]
    again.close()


def test_the_filter_narrows_and_says_when_nothing_is_left(open_manager: Any, server: Any) -> None:
    hands = open_manager(make_card(server, "small"), make_card(server, "large"))
    manager = hands.manager
    hands.qtbot.keyClicks(manager.words, "test lar")
    assert hands.ids == ["large"] and manager.view.isVisible()
    manager.words.clear()
    hands.qtbot.keyClicks(manager.words, "zebra")
    assert hands.ids == [] and not manager.view.isVisible()
    assert "“zebra”" in manager.nothing.text() and manager.nothing.isVisible()
    assert not manager.get.isEnabled() and not manager.use.isEnabled()
    manager.words.clear()
    manager.here.click()
    assert hands.ids == ["pebble"]


def test_models_are_listed_by_what_they_are_made_for(open_manager: Any, server: Any) -> None:
    tissue = replace(make_card(server, "stains"), made_for="tissue")
    hands = open_manager(make_card(server, "plain"), tissue)
    manager = hands.manager
    choice = manager.purpose
    choice.setFocus()
    hands.qtbot.keyClick(choice, Qt.Key.Key_Down)  # for cells
    assert hands.ids == ["pebble"]
    hands.qtbot.keyClick(choice, Qt.Key.Key_Down)
    assert choice.currentText() == "For tissue" and hands.ids == ["stains"]
    hands.qtbot.keyClick(choice, Qt.Key.Key_Down)
    assert hands.ids == ["plain"]
    hands.qtbot.keyClick(choice, Qt.Key.Key_Down)
    assert hands.ids == [] and "choose “All kinds”" in manager.nothing.text()


def test_files_dropped_on_the_dock_are_added_and_used(
    qtbot: Any, bench: Bench, tiny_pair: tuple[Path, Path]
) -> None:
    shelf = ModelShelf(bench.session.engine)
    panel = ModelPanel(bench.session, shelf)
    qtbot.addWidget(panel)
    assert drop(panel, [tiny_pair[1], tiny_pair[1]])
    qtbot.waitUntil(lambda: shelf.failed, timeout=20_000)
    assert "are both decoders" in bench.said and bench.session.source == "pebble"
    assert drop(panel, list(tiny_pair))
    qtbot.waitUntil(lambda: bench.session.source == "tiny" and not shelf.busy, timeout=20_000)
    assert panel.model.currentText() == "tiny"
    panel.shut()


def test_the_dock_opens_the_manager_and_takes_it_along(drive: Any, qtbot: Any) -> None:
    d = drive()
    panel = d.dock.model_panel
    assert panel.manager is None
    qtbot.mouseClick(panel.manage, LEFT)
    manager = panel.manager
    d.until(lambda: manager.isVisible() and manager.view.filter.rowCount() > 10)
    assert manager.view.chosen == "pebble" and manager.use.text() == "In use"
    d.until(lambda: not d.dock.shelf.busy)
    qtbot.mouseClick(panel.manage, LEFT)
    assert panel.manager is manager  # one window, however often it is asked for
    d.until(lambda: not d.dock.shelf.busy)
    d.dock.shut()
    assert not manager.isVisible()


def test_files_of_models_are_never_looked_for_on_the_interface_s_thread(
    drive: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tiny_pair: tuple[Path, Path]
) -> None:
    here, looked = get_ident(), []

    def watch(name: str) -> None:
        true = getattr(Path, name)

        def look(self: Path, *args: Any, **options: Any) -> Any:
            looked.append((get_ident(), str(self)))
            return true(self, *args, **options)

        monkeypatch.setattr(Path, name, look)

    for name in ("glob", "rglob", "is_file", "is_dir", "open", "read_bytes", "iterdir"):
        watch(name)
    d = drive()
    d.until(lambda: d.dock.shelf.entries is not None and not d.dock.shelf.busy)
    d.dock.shelf.add(list(tiny_pair))
    d.until(lambda: d.session.source == "tiny" and not d.dock.shelf.busy)
    qtbot.mouseClick(d.dock.model_panel.manage, LEFT)
    dialog = AddModelDialog(d.dock.shelf, d.dock)
    qtbot.keyClicks(dialog.encoder, "tiny_encoder.onnx")
    assert dialog.id.placeholderText() == "tiny-encoder"
    d.until(lambda: not d.dock.shelf.busy)
    ours = ("models", "cards", "catalog", "onnx", "speeds", "hashes")
    assert [path for thread, path in looked if thread != here]
    assert not [
        p
        for thread, p in looked
        if thread == here
        and any(o in p for o in ours)
        and "dist-info" not in p
        and not p.endswith("settings.json")  # a few hundred bytes of the dock's own
    ]


@pytest.mark.parametrize(
    ("names", "common"),
    [
        (("vit_t_encoder.onnx", "vit_t_decoder.onnx"), "vit_t"),
        (("encoder.onnx", "decoder.onnx"), "encoder + decoder"),
        (("sam.onnx",), "sam"),
    ],
)
def test_names_are_made_of_what_files_share(
    tmp_path: Path, names: tuple[str, ...], common: str
) -> None:
    assert find_common_name([tmp_path / name for name in names]) == common
