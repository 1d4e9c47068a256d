"""Volumes and tracks without Qt: what is asked for, what is kept, what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam_onnx.planes import ArrayLabels
from napari_sam_onnx.plugin.commits.recording import describe_layer
from napari_sam_onnx.plugin.layers.labels import TargetError
from napari_sam_onnx.plugin.layers.tracks import find_tracks_layer
from napari_sam_onnx.plugin.runs.stack import StackRun, StackRuns
from napari_sam_onnx.plugin.runs.work import Work
from napari_sam_onnx.plugin.session.stack_axes import StackAxes
from napari_sam_onnx.records.follow import follow
from napari_sam_onnx.records.recipes import Recipe, open_planes, replay_whole
from napari_sam_onnx.stacks import StitchParameters, WholeRequest
from napari_sam_onnx.stacks.tracks import TrackParameters
from tests.fakes import ComponentModel, draw_discs
from tests.plugin.runs.test_automatic import StepStream

if TYPE_CHECKING:
    from napari.layers import Labels

    from tests.plugin.conftest import Bench

STACK = np.stack([draw_discs((40, 60), [(12 + z, 12), (25, 45)], 6) for z in range(5)])


@pytest.fixture
def runs(bench: Bench) -> StackRuns:
    return StackRuns(bench.session, StackAxes(bench.session), Work(StepStream))


def tracks(**settings: float) -> StackRun:
    return StackRun(WholeRequest("tracks", tracks=TrackParameters(**settings)))


def test_a_volume_by_a_model_without_maps_is_stitched(bench: Bench, runs: StackRuns) -> None:
    bench.open(STACK, scale=(2, 1, 1))
    runs.start(StackRun(WholeRequest("volume")))
    layer = runs.layer
    assert runs.work.busy and layer.name == "cells volume"
    runs.work._running.run()
    np.testing.assert_array_equal(layer.data > 0, STACK > 0)
    assert np.unique(layer.data).tolist() == [0, 1, 2]
    np.testing.assert_allclose(layer.scale, (2, 1, 1))
    assert "2 objects in “cells volume”" in bench.said


def test_tracks_with_their_layer(bench: Bench, runs: StackRuns) -> None:
    bench.open(STACK, axis_labels=("t", "y", "x"), scale=(1, 2, 2))
    made = []
    runs.made.connect(made.append)
    runs.start(tracks())
    layer = runs.layer
    runs.work._running.run()
    assert made == [layer] and "2 tracks, 0 divisions" in bench.said
    paths = find_tracks_layer(bench.viewer.layers, layer)
    assert len(paths.data) == 10 and set(paths.data[:, 0]) == {1, 2}
    np.testing.assert_allclose(paths.scale, (1, 2, 2))
    first = paths.data[paths.data[:, 0] == layer.data[0, 12, 12]]
    np.testing.assert_allclose(first[:, 2], 12 + np.arange(5), atol=0.01)
    assert bench.viewer.layers.selection.active is bench.session.layers.points


def test_a_division_is_in_the_graph(bench: Bench, runs: StackRuns) -> None:
    frames = [draw_discs((40, 60), [(20, 30)], 8)] * 3
    frames += [draw_discs((40, 60), [(20, 30 - 8 - t), (20, 30 + 8 + t)], 6) for t in range(3)]
    bench.open(np.stack(frames), axis_labels=("t", "y", "x"))
    runs.start(tracks(max_move=1.5))
    layer = runs.layer
    runs.work._running.run()
    assert "3 tracks, 1 division," in bench.said
    mother = int(layer.data[0, 20, 30])
    parents = layer.metadata["napari-sam-onnx"]["parents"]
    assert set(parents.values()) == {mother} and len(parents) == 2
    paths = find_tracks_layer(bench.viewer.layers, layer)
    assert {c: [int(p) for p in ps] for c, ps in paths.graph.items()} == {
        c: [mother] for c in parents
    }


def test_tracks_of_labels_that_there_are(bench: Bench, runs: StackRuns) -> None:
    bench.open(STACK, axis_labels=("t", "y", "x"))
    mine = np.zeros(STACK.shape, np.uint16)
    mine[:, 20:30, 40:50] = (np.arange(5)[:, None, None] + 3).astype(np.uint16)
    given = bench.viewer.add_labels(mine)
    seen = bench.models["pebble"].encoded
    runs.start(StackRun(WholeRequest("tracks"), given))
    layer = runs.layer
    runs.work._running.run()
    np.testing.assert_array_equal(layer.data, (mine > 0).astype(np.uint32))
    assert given.data is mine and bench.models["pebble"].encoded == seen


def test_cancelled_runs_keep_finished_planes(bench: Bench, runs: StackRuns) -> None:
    bench.open(STACK, axis_labels=("t", "y", "x"))
    runs.start(tracks())
    layer, stream = runs.layer, runs.work._running
    while not layer.data[1].any():
        stream.run(steps=1)
    assert "Frame 3 of 5" in runs.work.text
    runs.work.cancel()
    stream.run()
    assert layer.data.reshape(5, -1).any(axis=1).sum() == 2
    assert bench.said == "Cancelled; what is done is kept in “cells tracks”."


def test_a_run_that_made_nothing_leaves_nothing(bench: Bench, runs: StackRuns) -> None:
    bench.open(STACK)
    runs.start(StackRun(WholeRequest("volume")))
    layer = runs.layer
    runs.work.cancel()
    runs.work._running.run()
    assert layer not in bench.viewer.layers and bench.said == "Cancelled."
    runs.start(tracks())
    assert "Tracks run along T" in bench.said and not runs.work.busy


def test_a_result_that_is_removed_ends_its_run(bench: Bench, runs: StackRuns) -> None:
    bench.open(STACK)
    runs.start(StackRun(WholeRequest("volume")))
    stream, name = runs.work._running, runs.layer.name
    bench.viewer.layers.remove(runs.layer)
    stream.run()
    assert bench.said == f"The run ended, since “{name}” was removed." and not runs.work.busy


def test_time_with_depth_is_volumes_then_tracks(bench: Bench, runs: StackRuns) -> None:
    bench.open(np.stack([STACK] * 3), scale=(1, 2, 1, 1))
    runs.start(tracks())
    layer = runs.layer
    runs.work._running.run()
    assert np.unique(layer.data).tolist() == [0, 1, 2]
    paths = find_tracks_layer(bench.viewer.layers, layer)
    np.testing.assert_allclose(paths.data[paths.data[:, 0] == layer.data[0, 0, 25, 45]][:, 2], 2)


def test_labels_of_channels_and_of_single_planes(bench: Bench, runs: StackRuns) -> None:
    from napari_sam_onnx.plugin.picture.picture import split_axis

    bench.open(np.stack([STACK, STACK])[:, :, None], axis_labels=("c", "t", "z", "y", "x"))
    bench.session.choose_picture(split_axis(bench.session.picture.main, 0))
    runs.start(tracks())
    layer = runs.layer
    assert layer.data.shape == (1, 5, 1, 40, 60)
    runs.work._running.run()
    assert np.unique(layer.data).tolist() == [0, 1, 2]
    assert find_tracks_layer(bench.viewer.layers, layer) is None  # time does not come first


def again(bench: Bench, layer: Labels) -> np.ndarray:
    """Make the labels of a layer again as its recipe says, through JSON."""
    recipe = Recipe.from_json(describe_layer(layer).to_json())
    picture = np.asarray(bench.session.picture.main.data)
    made = np.zeros(layer.data.shape, np.uint32)
    planes = open_planes(recipe, picture)
    for _ in replay_whole(recipe, planes, ArrayLabels(made, planes.label_axes), ComponentModel()):
        pass
    for _ in follow(recipe.acts, picture, made, lambda source: ComponentModel(id=str(source))):
        pass
    return made


@pytest.mark.parametrize("method", ["volume", "tracks"])
def test_the_recipe_of_a_whole_stack_makes_the_same_labels(
    bench: Bench, runs: StackRuns, method: str
) -> None:
    time = method == "tracks"
    bench.open(STACK, axis_labels=("t" if time else "z", "y", "x"), scale=(3, 1, 1))
    bench.models["pebble"].id = "component"
    request = WholeRequest(method, mode="objects", stitch=StitchParameters(min_planes=3))
    runs.start(StackRun(request))
    layer = runs.layer
    runs.work._running.run()
    recipe = describe_layer(layer)
    assert recipe.whole["method"] == method and recipe.whole["stitch"]["min_planes"] == 3
    assert recipe.axes == ("TYX" if time else "ZYX") and recipe.fingerprint == "component"
    np.testing.assert_array_equal(again(bench, layer), layer.data)
    assert layer.data.any()


def test_what_a_recipe_cannot_make_again_is_said(bench: Bench, runs: StackRuns) -> None:
    bench.open(STACK, axis_labels=("t", "y", "x"))
    runs.start(tracks())
    layer, stream = runs.layer, runs.work._running
    while not layer.data[1].any():
        stream.run(steps=1)
    runs.work.cancel()
    stream.run()
    with pytest.raises(TargetError, match="a run that was ended early"):
        describe_layer(layer)
    runs.start(StackRun(WholeRequest("tracks"), bench.viewer.add_labels(STACK // 255)))
    layer = runs.layer
    runs.work._running.run()
    with pytest.raises(TargetError, match="a run on other labels"):
        describe_layer(layer)
