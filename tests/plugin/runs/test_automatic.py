"""Runs without Qt: where the planes go, what is kept, what is said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam_onnx.embedding import Embedding
from napari_sam_onnx.labels import label_store
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.planes import ArrayLabels
from napari_sam_onnx.plugin.picture.picture import split_axis
from napari_sam_onnx.plugin.runs.asked import Run
from napari_sam_onnx.plugin.runs.automatic import Automatic
from napari_sam_onnx.plugin.runs.draft import Draft
from napari_sam_onnx.plugin.runs.pace import Pace, format_seconds
from napari_sam_onnx.records.recipes import Recipe, open_planes, replay
from tests.fakes import draw_discs
from tests.plugin.runs.streams import StepStream

if TYPE_CHECKING:
    from tests.plugin.conftest import Bench

STACK = np.stack([draw_discs((40, 60), [(12 + z, 12), (25, 45)], 6) for z in range(4)])


@pytest.fixture
def automatic(bench: Bench) -> Automatic:
    return Automatic(bench.session, StepStream)


def test_whole_stack_linked(bench: Bench, automatic: Automatic) -> None:
    bench.open(STACK, scale=(2, 1, 1), units=("um", "um", "um"))
    automatic.start(Run("objects", {"min_area": 5}, whole=True, link=0))
    assert automatic.work.busy
    layer = automatic.layer
    automatic.work._running.run()
    assert not automatic.work.busy and automatic.layer is None
    np.testing.assert_array_equal(layer.data > 0, STACK > 0)
    assert np.unique(layer.data).tolist() == [0, 1, 2]
    assert "2 objects" in bench.said and bench.session.status.kind == "ready"
    np.testing.assert_allclose(layer.scale, (2, 1, 1))
    assert layer.units == bench.session.picture.main.units
    recipe = Recipe.from_dict(layer.metadata["napari-sam-onnx"]["recipe"])
    assert (recipe.model, recipe.fingerprint, recipe.mode) == ("pebble", "pebble", "objects")
    assert recipe.settings["min_area"] == 5 and recipe.link and recipe.planes is None
    automatic.start(Run(None, {}, whole=True))
    automatic.work._running.run()
    assert len(np.unique(bench.viewer.layers[1].data)) == 3
    assert bench.viewer.layers.selection.active is bench.session.layers.points


def test_what_a_run_chose_is_kept_and_gives_the_same_labels_again(
    bench: Bench, automatic: Automatic
) -> None:
    bench.open(STACK, contrast_limits=(10, 200))
    bench.viewer.dims.set_current_step(0, 2)
    automatic.start(Run(None, {}))
    layer = automatic.layer
    automatic.work._running.run()
    recipe = Recipe.from_json(
        Recipe.from_dict(layer.metadata["napari-sam-onnx"]["recipe"]).to_json()
    )
    assert recipe.mode == "objects" and recipe.planes == ((2,),)  # None was asked for
    assert recipe.channels[0].limits == (10.0, 200.0)
    made = list(replay(recipe, open_planes(recipe, STACK), bench.models["pebble"]))[-1]
    np.testing.assert_array_equal(made.labels, layer.data[2])
    assert np.count_nonzero(made.labels)


def test_a_result_that_is_deleted_during_its_run_is_not_said_to_run(
    bench: Bench, automatic: Automatic
) -> None:
    bench.open(STACK)
    automatic.start(Run("objects", {}, whole=True))
    running = automatic.work._running
    running.run(1)
    name = automatic.layer.name
    bench.viewer.layers.remove(automatic.layer)
    running.run()
    assert bench.session.status.kind == "ready" and not automatic.work.busy
    assert bench.said == f"The run ended, since “{name}” was removed."


def test_one_plane_alone(bench: Bench, automatic: Automatic) -> None:
    bench.open(STACK)
    bench.viewer.dims.set_current_step(0, 2)
    automatic.start(Run("objects", {}, link=0))
    layer = automatic.layer
    automatic.work._running.run()
    assert layer.data.reshape(4, -1).any(axis=1).tolist() == [False, False, True, False]


def test_cancelled_runs_keep_finished_planes(bench: Bench, automatic: Automatic) -> None:
    bench.open(STACK)
    automatic.start(Run("objects", {}, whole=True))
    layer, stream = automatic.layer, automatic.work._running
    while not layer.data[1].any():
        stream.run(steps=1)
    assert 0 < automatic.work.fraction < 1 and "of 4" in automatic.work.text
    assert stream.reports[-1][1] == 1000
    automatic.work.cancel()
    stream.run()
    assert layer.data.reshape(4, -1).any(axis=1).tolist() == [True, True, False, False]
    assert bench.said == "Cancelled; 1 finished plane and 2 objects found so far kept."
    assert layer in bench.viewer.layers


def test_cancelled_before_the_first_plane(bench: Bench, automatic: Automatic) -> None:
    bench.open(STACK)
    automatic.start(Run("objects", {}, whole=True))
    layer, stream = automatic.layer, automatic.work._running
    automatic.work.cancel()
    stream.run()
    assert layer not in bench.viewer.layers and bench.said == "Cancelled."


def test_removing_the_layer_cancels(bench: Bench, automatic: Automatic) -> None:
    bench.open(STACK)
    automatic.start(Run("objects", {}, whole=True))
    stream = automatic.work._running
    bench.viewer.layers.remove(automatic.layer)
    assert stream.stopped
    stream.run()
    assert not automatic.work.busy


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (Run("objects", {"min_area": -1}), "min_area lies from 0"),
        (Run("objects", {}, whole=True, link=1), "another"),
    ],
)
def test_refused_runs_say_why_and_leave_nothing(
    bench: Bench, automatic: Automatic, run: Run, sentence: str
) -> None:
    bench.open(STACK)
    before = list(bench.viewer.layers)
    automatic.start(run)
    if automatic.work.busy:
        automatic.work._running.run()
    assert sentence in bench.said and bench.session.status.kind == "error"
    assert list(bench.viewer.layers) == before


def test_without_a_picture(bench: Bench, automatic: Automatic) -> None:
    automatic.start(Run(None, {}))
    assert "Open a picture" in bench.said and not automatic.work.busy


def test_a_second_run_waits_for_the_first(bench: Bench, automatic: Automatic) -> None:
    bench.open(STACK)
    automatic.start(Run(None, {}))
    first = automatic.work._running
    automatic.start(Run(None, {}))
    assert "cancel them first" in bench.said and automatic.work._running is first


def test_another_model_does_not_close_the_one_that_runs(bench: Bench, automatic: Automatic) -> None:
    bench.open(STACK)
    closed = []
    bench.models["pebble"].close = lambda: closed.append("pebble")
    automatic.start(Run("objects", {}, whole=True))
    layer, stream = automatic.layer, automatic.work._running
    stream.run(steps=1)
    bench.session.choose_model("other")
    assert closed == []
    stream.run()
    np.testing.assert_array_equal(layer.data > 0, STACK > 0)
    bench.session.choose_model("pebble")
    bench.session.choose_model("other")
    assert closed == ["pebble"]


def test_five_dimensions(bench: Bench, automatic: Automatic) -> None:
    data = np.zeros((2, 3, 2, 40, 60), np.uint8)
    data[:, :, 1] = STACK[:3]
    data[0, 0, 0, 0, 0] = 9  # a constant channel would be mid-gray
    layer = bench.open(data)
    bench.session.choose_picture(split_axis(layer, 2))
    automatic.start(Run("objects", {}, whole=True, link=1))
    made = automatic.layer
    automatic.work._running.run()
    assert made.data.shape == (2, 3, 1, 40, 60)
    expected = data[:, :, 1] > 0
    expected[0, 0, 0, 0] = made.data[0, 0, 0, 0, 0] > 0
    np.testing.assert_array_equal(made.data[:, :, 0] > 0, expected)
    tracks = [set(np.unique(made.data[t, :, 0, 1:])) - {0} for t in range(2)]
    assert len(tracks[0]) == len(tracks[1]) == 2 and not tracks[0] & tracks[1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (40, "40 s"), (89, "1 min"), (3900, "1 h 5 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_labels_too_large_for_memory_are_on_disk_and_say_so(
    bench: Bench, automatic: Automatic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(label_store.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(label_store, "free_memory", lambda: 1000)
    bench.open(STACK)
    automatic.start(Run("objects", {}, whole=True, link=0))
    layer = automatic.layer
    automatic.work._running.run()
    np.testing.assert_array_equal(np.asarray(layer.data[:]) > 0, STACK > 0)
    assert layer.name == "cells automatic (on disk)"
    place = Path(layer.metadata["napari-sam-onnx"]["place"])
    assert place.parent == tmp_path and place.is_dir() and str(place) in bench.said
    automatic.start(Run("objects", {}, whole=True))
    automatic.work.cancel()
    automatic.work._running.run()
    assert [made.name for made in tmp_path.iterdir()] == [place.name]  # the empty one is gone


def test_labels_on_disk_that_left_the_viewer_hold_no_drawing_and_come_back(
    bench: Bench, automatic: Automatic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(label_store.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(label_store, "free_memory", lambda: 1000)
    bench.open(STACK)
    automatic.start(Run("objects", {}, whole=True))
    layer = automatic.layer
    automatic.work._running.run()
    drawn = layer._slice.image.view.copy()
    assert drawn.shape == STACK.shape[1:] and drawn.any()
    bench.viewer.layers.remove(layer)
    assert layer._slice.image.raw.size == 1 and layer._slice.image.view.size == 1
    bench.viewer.layers.append(layer)
    np.testing.assert_array_equal(layer._slice.image.view, drawn)


def test_a_run_over_a_stack_lets_go_of_large_planes_alone(
    bench: Bench, automatic: Automatic
) -> None:
    bench.open(STACK)
    cache = bench.session.engine.cache
    for key, side in (("large", 4096), ("small", 40)):
        cache.put(key, Embedding({"x": np.zeros(1, np.uint8)}, (side, side), (8, 8), "pebble"))
    automatic.start(Run("objects", {}))
    automatic.work._running.run()
    assert cache.get("large") is not None
    automatic.start(Run("objects", {}, whole=True))
    automatic.work._running.run()
    assert cache.get("large") is None and cache.get("small") is not None


def test_a_plane_without_values_does_not_stop_the_run(bench: Bench, automatic: Automatic) -> None:
    stack = STACK.astype(np.float32)
    stack[1] = np.nan
    bench.open(stack, contrast_limits=(0, 255))
    automatic.start(Run("objects", {}, whole=True))
    layer = automatic.layer
    automatic.work._running.run()
    assert layer.data.reshape(4, -1).any(axis=1).tolist() == [True, False, True, True]
    assert bench.session.status.kind == "ready"


def rectangle(y0: int, x0: int, y1: int, x1: int) -> Mask:
    return Mask((40, 60), (y0, x0), np.ones((y1 - y0, x1 - x0), bool), 0.9)


def test_a_draft_shows_each_object_once() -> None:
    planes = np.zeros((2, 40, 60), np.uint32)
    draft = Draft(ArrayLabels(planes, "TYX"))
    draft.begin((1,), last=4)
    draft.add([rectangle(0, 0, 10, 10), rectangle(0, 20, 10, 26)])
    assert np.unique(planes[1]).tolist() == [0, 5, 6] and not planes[0].any()
    draft.add([rectangle(1, 1, 9, 9)])  # another tile's copy
    assert len(draft) == 2 and (planes[1, :10, :10] == 5).all()
    draft.add([rectangle(0, 18, 10, 40)])  # what a seam had cut, whole
    assert len(draft) == 2 and np.unique(planes[1]).tolist() == [0, 5, 7]
    assert (planes[1, :10, 18:40] == 7).all()
    draft.add([rectangle(8, 0, 20, 10)])  # a neighbour that overlaps a little
    assert (planes[1, :10, :10] == 5).all() and (planes[1, 10:20, :10] == 8).all()
    draft.begin((1,), last=0)
    assert len(draft) == 3
    draft.clear()
    draft.begin((0,), last=8)
    draft.add([rectangle(0, 0, 3, 3)])
    assert np.unique(planes[0]).tolist() == [0, 9] and len(draft) == 1


def test_a_run_cancelled_inside_a_plane_keeps_the_objects_it_found(
    bench: Bench, automatic: Automatic
) -> None:
    centers = [(40 + 80 * (i // 3), 40 + 80 * (i % 3)) for i in range(9)]
    bench.open(draw_discs((240, 240), centers, 12))
    automatic.start(Run("tiled", {"tile_side": 96, "tile_overlap": 24, "inner": "objects"}))
    layer, stream = automatic.layer, automatic.work._running
    while np.unique(layer.data).size < 5:
        stream.run(steps=1)
    assert "tiles" in automatic.work.text and "objects" in automatic.work.text
    assert "left" in automatic.work.text and 0 < automatic.work.fraction < 1
    automatic.work.cancel()
    found = np.unique(layer.data).size - 1
    stream.run()
    assert bench.said == f"Cancelled; {found} objects found so far kept."
    assert layer in bench.viewer.layers and np.unique(layer.data).size == found + 1 < 10
    assert bench.session.layers is not None


def test_a_run_that_was_let_go_of_writes_nothing_more(bench: Bench, automatic: Automatic) -> None:
    bench.open(STACK)
    automatic.start(Run("objects", {}, whole=True))
    layer, stream = automatic.layer, automatic.work._running
    while not layer.data[0].any():
        stream.run(steps=1)
    automatic.work.cancel()
    stream.finished(None)  # it did not end in time
    kept = layer.data.copy()
    assert not automatic.work.busy and layer in bench.viewer.layers
    automatic.start(Run("objects", {}))
    assert not list(stream.generator)  # its call comes to an end at last
    np.testing.assert_array_equal(layer.data, kept)
    automatic.work._running.run()


def test_a_whole_run_replaces_its_draft(bench: Bench, automatic: Automatic) -> None:
    centers = [(40 + 80 * (i // 3), 40 + 80 * (i % 3)) for i in range(9)]
    picture = draw_discs((240, 240), centers, 12)
    bench.open(picture)
    automatic.start(Run("tiled", {"tile_side": 96, "tile_overlap": 24, "inner": "objects"}))
    layer = automatic.layer
    automatic.work._running.run()
    np.testing.assert_array_equal(layer.data > 0, picture > 0)
    assert np.unique(layer.data).tolist() == list(range(10))


def test_a_closed_run_leaves_what_it_found_and_no_empty_layer(
    bench: Bench, automatic: Automatic
) -> None:
    bench.open(STACK)
    automatic.start(Run("objects", {}, whole=True))
    automatic.close()
    assert [layer.name for layer in bench.viewer.layers if "automatic" in layer.name] == []
    again = Automatic(bench.session, StepStream)
    again.start(Run("objects", {}, whole=True))
    layer, stream = again.layer, again.work._running
    while not layer.data[0].any():
        stream.run(steps=1)
    again.close()
    stream.run()
    assert layer in bench.viewer.layers and layer.data[0].any()


def test_the_pace_is_known_from_the_first_piece_on() -> None:
    pace = Pace()
    assert pace.guess(0.0, 100.0) is None
    assert pace.guess(0.1, 101.0) == pytest.approx(9.0)
    assert pace.guess(0.5, 105.0) == pytest.approx(5.0)


def test_what_comes_before_the_first_object_is_said_and_ended(
    bench: Bench, automatic: Automatic
) -> None:
    bench.open(STACK[0])
    bench.session.engine.close()
    automatic.start(Run(None, {}))
    stream, said = automatic.work._running, []
    while automatic.work.fraction is None and automatic.work.busy:
        stream.run(steps=1)
        said.append(automatic.work.text)
    assert said[0] == "Opening the model …"
    assert "Finding how large the objects are …" in said
    assert automatic.work.fraction == 0
    automatic.start(Run(None, {}))
    automatic.work.cancel()
    stream.run()
    assert not automatic.work.busy
