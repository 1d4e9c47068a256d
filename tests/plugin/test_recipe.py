"""What a session did, saved from the dock by a click and made again by the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog
from typer.testing import CliRunner

import napari_sam_onnx as nso
from napari_sam_onnx.cli.app import app
from napari_sam_onnx.plugin.commits.recording import describe_layer
from napari_sam_onnx.plugin.layers.labels import TargetError
from napari_sam_onnx.plugin.runs.asked import Run
from napari_sam_onnx.records.recipes import Recipe
from tests.fakes import ComponentModel, draw_discs
from tests.plugin.driver import CONTROL, RIGHT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

CENTERS = ((30, 30), (30, 80), (75, 55), (75, 100))


@pytest.fixture
def save(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Any], Path]:
    """Press the dock's button and answer its question for a file."""

    def press(driver: Any) -> Path:
        path = tmp_path / "recipe.json"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
        panel = driver.dock.prompt_panel
        QTest.mouseClick(panel.recipe, Qt.MouseButton.LeftButton)
        return path

    return press


def replay(recipe: Path, picture: NDArray[Any], folder: Path) -> NDArray[Any]:
    """Make labels of a picture by the command line."""
    source, out = folder / "picture.tif", folder / "labels.tif"
    tifffile.imwrite(source, picture)
    result = CliRunner().invoke(app, ["replay", str(recipe), str(source), "-o", str(out), "-q"])
    assert result.exit_code == 0, result.output
    return tifffile.imread(out)


def test_clicks_and_corrections_of_the_embedded_model_are_made_again(
    drive: Callable[..., Any], save: Callable[[Any], Path], tmp_path: Path
) -> None:
    model = nso.load_model("pebble")
    rng = np.random.default_rng(0)
    discs = draw_discs((100, 130), CENTERS, 10) > 0
    picture = np.where(discs, 170, 50) + rng.normal(0, 8, discs.shape)
    picture = picture.clip(0, 255).astype(np.uint8)
    driver = drive(picture, model)
    driver.click(30, 30)
    driver.click(30, 38, button=RIGHT)  # a background click refines the answer
    driver.press(Qt.Key.Key_N)
    driver.click(30, 80)
    driver.press(Qt.Key.Key_W)  # another candidate
    driver.press(Qt.Key.Key_N)
    driver.drag((62, 42), (88, 68))
    driver.press(Qt.Key.Key_N)
    driver.click(75, 100)
    driver.press(Qt.Key.Key_N)
    driver.press(Qt.Key.Key_Z, CONTROL)  # the last object is not there any more
    driver.press(Qt.Key.Key_Escape)
    driver.move(30, 80)
    driver.press(Qt.Key.Key_K)  # nor is the second one
    made = np.array(driver.labels)
    assert sorted(np.unique(made)) == [0, 1, 3]
    path = save(driver)
    assert "recipe.json makes" in driver.said
    acts = json.loads(path.read_text())["acts"]
    assert [act["what"] for act in acts] == ["objects 1", "objects 2", "objects 3", "deleted 2"]
    assert len(acts[0]["objects"][0]["looks"]) == 2
    assert acts[1]["objects"][0]["looks"][0]["candidate"] == 1
    np.testing.assert_array_equal(replay(path, picture, tmp_path), made)
    model.close()


def test_a_run_and_what_is_corrected_after_it_are_made_again(
    drive: Callable[..., Any],
    save: Callable[[Any], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.replay.load_model", lambda _: ComponentModel()
    )
    driver = drive(np.stack([draw_discs((100, 120), CENTERS[: 3 - z], 10) for z in range(2)]))
    driver.dock.automatic.start(Run("grid", {"points_per_side": 8}, whole=True))
    driver.until(lambda: not driver.dock.automatic.work.busy)
    driver.settle()
    count = len(driver.ids)
    assert count == 5
    driver.move(0, 30, 30)
    driver.press(Qt.Key.Key_K)
    driver.click(0, 30, 30)
    driver.press(Qt.Key.Key_N)
    made = np.array(driver.labels)
    assert len(np.unique(made)) == count + 1
    path = save(driver)
    recipe = Recipe.from_json(path.read_text())
    assert recipe.mode == "grid" and len(recipe.acts) == 2
    again = replay(path, np.asarray(driver.picture.data), tmp_path)
    np.testing.assert_array_equal(again, made)


def test_what_cannot_be_made_again_is_said(
    drive: Callable[..., Any], save: Callable[[Any], Path], tmp_path: Path
) -> None:
    driver = drive()
    panel = driver.dock.prompt_panel
    assert not panel.recipe.isEnabled()
    own = driver.viewer.add_labels(np.zeros((100, 120), np.uint32), name="mine")
    driver.commits.labels.choose(own)
    assert not save(driver).exists()
    assert "“mine” was not begun here" in driver.said


def all_of(labels: Any, recipe: Recipe, array: Any) -> NDArray[Any]:
    """Make labels again without files."""
    from napari_sam_onnx.records.follow import follow

    made = np.zeros(labels.shape, np.uint32)
    for _ in follow(recipe.acts, array, made, lambda source: ComponentModel(id=str(source))):
        pass
    return made


def test_every_way_to_accept_is_made_again(bench: Any) -> None:
    layer = bench.open()
    bench.session.choose_each_click(True)
    bench.click(30, 30)
    bench.click(30, 80)
    bench.commits.accept()  # two at once
    bench.session.choose_each_click(False)
    bench.commits.toggle_turbo()
    bench.click(75, 55)  # at once, before it is answered
    bench.commits.toggle_turbo()
    bench.commits.correct_at((30, 30))
    bench.click(30, 30)  # the object that was opened; then with a rim
    bench.session.dialogue.cycle()
    bench.commits.accept(replacing=True)
    made = bench.commits.labels.layer
    recipe = Recipe.from_json(describe_layer(made).to_json())
    assert recipe == describe_layer(made)
    np.testing.assert_array_equal(all_of(made.data, recipe, layer.data), made.data)
    assert [len(act.objects) for act in recipe.acts] == [2, 1, 1]
    opened = recipe.acts[2].objects[0]
    assert opened.opened is not None and opened.replaces and opened.looks[-1].candidate == 1
    for _ in range(8):
        bench.commits.undo()
    assert not made.metadata["napari-sam-onnx"]["acts"] and not np.any(made.data)
    with pytest.raises(TargetError, match="Nothing was accepted"):
        describe_layer(made)
    for _ in range(8):
        bench.commits.redo()
    np.testing.assert_array_equal(all_of(made.data, describe_layer(made), layer.data), made.data)
    assert made.data.any()


def test_planes_and_masks_from_elsewhere_are_made_again(bench: Any) -> None:
    stack = np.stack([draw_discs((60, 70), [(20 + 5 * z, 30)], 8) for z in range(3)])
    layer = bench.open(stack)
    for z in (2, 0):
        bench.viewer.dims.set_current_step(0, z)
        bench.click(z, 20 + 5 * z, 30)
        bench.commits.accept()
    bench.viewer.dims.set_current_step(0, 1)
    bench.click(1, 25, 30)
    other = np.zeros((60, 70), bool)
    other[40:50, 10:60] = True
    bench.session.dialogue.adopt(nso.Mask.from_array(other))
    bench.commits.accept()
    made = bench.commits.labels.layer
    recipe = describe_layer(made)
    assert [act.index for act in recipe.acts] == [(2,), (0,), (1,)]
    assert recipe.acts[2].objects[0].area is not None
    np.testing.assert_array_equal(all_of(made.data, recipe, layer.data), made.data)
    assert made.data[1, 45, 30] == 3
