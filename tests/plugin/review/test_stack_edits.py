"""Whole objects joined, split, cut off, divided and deleted, each one step to undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam_onnx.plugin.layers.tracks import find_tracks_layer, show_tracks
from napari_sam_onnx.plugin.review import ReviewQueue, StackEdits
from napari_sam_onnx.plugin.session.stack_axes import StackAxes
from napari_sam_onnx.stacks.tracks import tracks_from_labels
from tests.plugin.conftest import HeldLane

if TYPE_CHECKING:
    from tests.plugin.conftest import Bench

MARK = "napari-sam-onnx"


def draw() -> Any:
    """Object 1 in frames 0 to 5, object 2 beside it from frame 3 on."""
    labels = np.zeros((6, 20, 20), np.uint32)
    labels[:, 2:6, 2:6] = 1
    labels[3:, 10:14, 10:14] = 2
    return labels


class Desk:
    """Edits of a stack with labels, without threads."""

    def __init__(self, bench: Bench, **options: Any) -> None:
        bench.open((draw() > 0).astype(np.uint8) * 255, **options)
        self.bench, self.layer = bench, bench.viewer.add_labels(draw())
        bench.commits.labels.choose(self.layer)
        bench.session.layers.activate()
        self.queue, self.lane = ReviewQueue(), HeldLane()
        axes = StackAxes(bench.session)
        self.edits = StackEdits(bench.session, bench.commits, axes, self.queue, self.lane)

    def planes_of(self, label: int) -> list[int]:
        return np.flatnonzero((self.layer.data == label).any(axis=(1, 2))).tolist()

    def show(self, plane: int) -> None:
        self.bench.viewer.dims.set_current_step(0, plane)

    def undo(self) -> None:
        self.bench.commits.undo()
        np.testing.assert_array_equal(self.layer.data, draw())


@pytest.fixture
def desk(bench: Bench) -> Desk:
    return Desk(bench, axis_labels=("t", "y", "x"))


def test_join_two(desk: Desk) -> None:
    desk.edits.join(1)
    assert desk.edits.waiting == "join" and "Join 1 with which" in desk.bench.said
    desk.edits.join(2)
    assert not desk.edits.waiting and desk.planes_of(2) == []
    np.testing.assert_array_equal(desk.layer.data > 0, draw() > 0)
    desk.undo()
    desk.bench.commits.redo()
    assert desk.planes_of(2) == []
    desk.edits.join(1)
    assert desk.edits.leave() and not desk.edits.leave()
    desk.edits.join(1)
    desk.edits.join(1)
    assert "Two objects are joined" in desk.bench.said


def test_split_and_cut_at_the_plane_that_is_shown(desk: Desk) -> None:
    desk.show(2)
    desk.edits.split(1)
    assert desk.planes_of(1) == [0, 1] and desk.planes_of(3) == [2, 3, 4, 5]
    assert "Object 1 is 3 from frame 2 on" in desk.bench.said
    desk.undo()
    desk.edits.cut(after=True, label=1)
    assert desk.planes_of(1) == [0, 1, 2]
    desk.undo()
    desk.edits.cut(after=False, label=1)
    assert desk.planes_of(1) == [2, 3, 4, 5]
    desk.undo()
    desk.show(0)
    desk.edits.cut(after=False, label=1)
    assert "nothing of object 1 before 0" in desk.bench.said
    desk.edits.split(9)
    assert desk.bench.said == "There is no object 9."


def test_delete_takes_the_selected_object(desk: Desk) -> None:
    desk.layer.selected_label = 2
    desk.edits.delete()
    assert desk.planes_of(2) == [] and desk.planes_of(1) == list(range(6))
    desk.undo()


def test_a_division_and_its_tracks(desk: Desk) -> None:
    viewer, layer = desk.bench.viewer, desk.layer
    tracks = tracks_from_labels(lambda t: layer.data[t], 6)
    paths = show_tracks(viewer, desk.bench.session.layers, layer, tracks, "TYX")
    for label in (1, 1):
        desk.edits.divide(label)
    assert "second daughter of 1" in desk.bench.said
    desk.edits.divide(2)
    assert desk.planes_of(1) == [0, 1, 2] and desk.planes_of(3) == [3, 4, 5]
    assert layer.metadata[MARK]["parents"] == {2: 1, 3: 1}
    assert set(paths.graph) == {2, 3} and set(paths.data[:, 0]) == {1, 2, 3}
    desk.undo()
    assert layer.metadata[MARK]["parents"] == {} and not paths.graph
    assert find_tracks_layer(viewer.layers, layer) is paths
    desk.bench.commits.redo()
    assert layer.metadata[MARK]["parents"] == {2: 1, 3: 1} and set(paths.graph) == {2, 3}


def test_depth_does_not_divide(bench: Bench) -> None:
    desk = Desk(bench)
    desk.edits.divide(1)
    assert "no axis of the picture is time" in bench.said


def test_voxels_that_were_painted_meanwhile_stay(desk: Desk) -> None:
    desk.lane.hold()
    desk.edits.delete(1)
    desk.layer.data[0, 2:6, 2:6] = 0
    desk.layer.data[1, 2:6, 2:6] = 7
    desk.lane.release()
    assert desk.planes_of(1) == [] and desk.planes_of(7) == [1]


def test_doubtful_places_are_listed_and_go_with_their_object(desk: Desk) -> None:
    desk.layer.data[1, 2:6, 2:6] = 0
    desk.edits.find_doubtful()
    assert {place.label for place in desk.queue.places} == {1, 2}
    gap = next(place for place in desk.queue.places if "missing" in place.reason)
    assert gap.plane.position == (1, 0, 0) and gap.center == (3.5, 3.5)
    desk.edits.keep(2)
    assert {place.label for place in desk.queue.places} == {1}
    desk.edits.delete(1)
    assert not desk.queue.places
    desk.layer.data[:] = 0
    desk.edits.find_doubtful()
    assert desk.bench.said == "There is no doubtful place."


def test_what_cannot_be_done_is_said(bench: Bench) -> None:
    bench.open(np.zeros((20, 20), np.uint8))
    edits = StackEdits(
        bench.session, bench.commits, StackAxes(bench.session), ReviewQueue(), HeldLane()
    )
    for act in (edits.join, edits.delete, edits.keep):
        act()
        assert "There are no labels yet" in bench.said
    edits.find_doubtful()
    assert bench.said == "Make labels of a stack first."
    bench.commits.labels.choose(bench.viewer.add_labels(np.ones((20, 20), np.uint32)))
    edits.split(1)
    assert "Show one plane of a stack" in bench.said
