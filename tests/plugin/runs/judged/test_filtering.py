"""What runs found is chosen from again; runs go into regions and gaps; each is one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Labels, Shapes

from napari_sam_onnx.automatic import Selection
from napari_sam_onnx.plugin.picture.region import read_region
from napari_sam_onnx.plugin.runs.asked import Run
from napari_sam_onnx.plugin.runs.automatic import Automatic
from napari_sam_onnx.plugin.runs.judged.filtering import Filtering, describe_filtered
from napari_sam_onnx.records.recipes import Recipe, open_planes, replay
from tests.fakes import draw_discs
from tests.plugin.runs.streams import StepStream

if TYPE_CHECKING:
    from tests.plugin.conftest import Bench

CENTERS = ((20, 20), (20, 60), (20, 100), (70, 30), (70, 90))
RADII = (5, 7, 9, 11, 13)


def draw() -> np.ndarray:
    return np.max(
        [draw_discs((100, 120), [c], r) for c, r in zip(CENTERS, RADII, strict=True)], axis=0
    )


class Hand:
    """A bench with runs and filters, driven as the dock drives them."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.automatic = Automatic(bench.session, StepStream, bench.commits.labels)
        self.automatic.made.connect(bench.commits.take_made)
        self.automatic.filled.connect(bench.commits.take_action)
        self.waiting: list[Any] = []
        self.filtering = Filtering(
            bench.session, bench.commits.labels, self.automatic.findings, self.waiting.append
        )

    def run(self, **options: Any) -> Labels:
        self.automatic.start(Run(options.pop("mode", "objects"), options.pop("set", {}), **options))
        layer = self.automatic.layer
        self.automatic.work._running.run()
        return layer

    def wait(self) -> None:
        while self.waiting:
            self.waiting.pop()()

    @property
    def made(self) -> list[Labels]:
        layers = self.bench.viewer.layers
        return [e for e in layers if isinstance(e, Labels) and "automatic" in e.name]


@pytest.fixture
def hand(bench: Bench) -> Hand:
    return Hand(bench)


def ids(layer: Labels) -> list[int]:
    return [int(i) for i in np.unique(layer.data) if i]


def test_filters_follow_and_spare_what_was_corrected(hand: Hand) -> None:
    hand.bench.open(draw())
    layer = hand.run()
    assert hand.filtering.count() == (5, 5) and len(ids(layer)) == 5
    label = int(layer.data[20, 20])
    layer.data_setitem(tuple(np.argwhere(layer.data == label)[:20].T), 0)  # the user cuts one
    hand.filtering.apply(Selection(min_diameter=16))
    assert hand.filtering.count() == (3, 5)
    assert sorted(ids(layer)) == sorted([label, *(int(layer.data[c]) for c in CENTERS[2:])])
    hand.filtering.apply(Selection())
    assert len(ids(layer)) == 5 and (layer.data == label).sum() == 81 - 20
    assert hand.bench.commits.labels.next_label == 6


def test_what_was_filtered_is_in_the_recipe_and_replays_alike(hand: Hand) -> None:
    picture = draw()
    hand.bench.open(picture)
    layer = hand.run(mode=None)
    hand.filtering.apply(
        hand.filtering.selection.change(min_diameter=12, max_area=400, min_border_distance=1)
    )
    recipe = Recipe.from_dict(layer.metadata["napari-sam-onnx"]["recipe"])
    assert recipe.settings["max_area"] == 400 and recipe.settings["min_diameter"] == 12
    made = list(replay(recipe, open_planes(recipe, picture), hand.bench.models["pebble"]))[-1]
    np.testing.assert_array_equal(made.labels > 0, layer.data > 0)
    assert len(ids(layer)) == 3


def test_a_filter_set_back_leaves_the_recipe_as_it_was() -> None:
    settings = {"min_rating": 0.55, "stability_score_thresh": 0.0, "min_area": 10}
    settings |= {"max_area": 0, "max_overlap": 0.5}
    tight = describe_filtered("objects", settings, Selection(min_solidity=0.5, min_rating=0.7))
    assert tight["min_solidity"] == 0.5 and tight["min_rating"] == 0.7
    back = Selection(min_rating=0.55, min_area=10, max_overlap=0.5)
    assert describe_filtered("objects", tight, back) == settings
    grid = describe_filtered("grid", {"pred_iou_thresh": 0.88}, Selection(min_area=4))
    assert grid == {"pred_iou_thresh": 0.88, "min_area": 4}


def test_stacks_are_filtered_plane_by_plane_the_shown_one_first(hand: Hand) -> None:
    stack = np.stack([draw()] * 3)
    hand.bench.open(stack)
    layer = hand.run(whole=True, link=0)
    hand.filtering.apply(Selection(min_diameter=16))
    shown = hand.bench.session.plane.position[0]
    counts = [len(np.unique(plane)) - 1 for plane in layer.data]
    assert counts[shown] == 3 and sorted(counts) == [3, 5, 5]
    other = next(z for z in range(3) if z != shown)
    hand.bench.viewer.dims.set_current_step(0, other)  # it is brought up to date on arrival
    assert len(np.unique(layer.data[other])) == 4
    hand.wait()
    assert [len(np.unique(plane)) - 1 for plane in layer.data] == [3, 3, 3]
    hand.filtering.apply(Selection())
    hand.wait()
    assert len(ids(layer)) == 5 and (layer.data[0] == layer.data[2]).all()


def test_a_rerun_takes_the_place_of_the_last_result_and_is_one_step(hand: Hand) -> None:
    bench = hand.bench
    bench.open(draw())
    first = hand.run()
    second = hand.run(set={"min_area": 200})
    assert hand.made == [second] and len(ids(second)) == 3
    bench.commits.undo()
    assert hand.made == [first] and bench.commits.labels.layer is first
    bench.commits.redo()
    assert hand.made == [second] and bench.commits.labels.layer is second
    third = hand.run(keep=True)
    assert hand.made == [second, third]
    third.data_setitem(tuple(np.argwhere(third.data == 1).T), 0)
    hand.run()
    assert third in hand.made and "corrected since and stays" in bench.said


def test_of_results_that_lie_over_each_other_one_is_shown(hand: Hand) -> None:
    bench = hand.bench
    bench.open(draw())
    mine = bench.viewer.add_labels(np.ones((100, 120), np.uint16), name="by hand")
    bench.session.layers.activate()
    first = hand.run()
    first.data_setitem(tuple(np.argwhere(first.data == 1).T), 0)
    second = hand.run()
    assert not first.visible and second.visible and mine.visible
    assert "“cells automatic” is hidden beneath" in bench.said
    bench.commits.undo()
    assert first.visible and second not in bench.viewer.layers
    bench.commits.redo()
    assert not first.visible and second.visible
    bench.commits.labels.choose(first)  # what is written to is seen
    assert first.visible and not second.visible
    bench.commits.labels.choose(mine)
    assert first.visible and not second.visible


def test_a_run_after_one_was_undone_takes_the_place_of_what_is_there(hand: Hand) -> None:
    hand.bench.open(draw())
    first = hand.run()
    hand.run()
    hand.bench.commits.undo()
    assert hand.made == [first]
    third = hand.run()
    assert hand.made == [third] and third.visible


def test_results_beside_each_other_are_both_shown(hand: Hand) -> None:
    hand.bench.open(draw())
    regions = []
    for corners in (
        [[0, 0], [0, 119], [45, 119], [45, 0]],
        [[50, 0], [50, 119], [99, 119], [99, 0]],
    ):
        regions.append(hand.bench.viewer.add_shapes([np.array(corners)], shape_type="polygon"))
    hand.bench.session.layers.activate()
    made = [hand.run(region=region, keep=True) for region in regions]
    assert all(layer.visible for layer in made) and [len(ids(layer)) for layer in made] == [3, 2]


def test_a_run_of_one_plane_does_not_take_away_that_of_another(hand: Hand) -> None:
    hand.bench.open(np.stack([draw()] * 2))
    first = hand.run()
    hand.bench.viewer.dims.set_current_step(0, 1 - hand.bench.session.plane.position[0])
    second = hand.run()
    assert hand.made == [first, second]
    third = hand.run(whole=True)
    assert first in hand.made and second not in hand.made and third in hand.made


def rectangle(y0: float, x0: float, y1: float, x1: float) -> np.ndarray:
    return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)], float)


@pytest.mark.parametrize("kind", ["rectangle", "ellipse", "polygon"])
def test_only_what_is_drawn_is_searched(hand: Hand, kind: str) -> None:
    hand.bench.open(draw(), scale=(0.5, 0.5), translate=(3, 4))
    shapes = hand.bench.viewer.add_shapes([rectangle(0, 0, 45, 80) * 0.5 + (3, 4)], shape_type=kind)
    layer = hand.run(region=shapes)
    expected = draw() > 0
    expected[:, 85:] = expected[50:] = False
    if kind == "ellipse":
        expected[:, :40] = False  # the first disc lies in the corner of its box for the most part
        assert not np.any(layer.data[:, 85:]) and np.any(layer.data[:40, 50:70])
    else:
        np.testing.assert_array_equal(layer.data > 0, expected)
    assert "recipe" not in layer.metadata["napari-sam-onnx"]


def test_a_region_holds_for_all_planes_unless_others_have_their_own(hand: Hand) -> None:
    hand.bench.open(np.stack([draw()] * 3))
    flat = [np.insert(rectangle(0, 0, 45, 45), 0, 1, axis=1)]
    shapes = hand.bench.viewer.add_shapes(flat, shape_type="rectangle")
    layer = hand.run(region=shapes, whole=True)
    assert [len(np.unique(plane)) - 1 for plane in layer.data] == [1, 1, 1]
    shapes.add(np.insert(rectangle(0, 0, 45, 80), 0, 2, axis=1), shape_type="rectangle")
    layer = hand.run(region=shapes, whole=True, keep=True)
    assert [len(np.unique(plane)) - 1 for plane in layer.data] == [0, 1, 2]


def test_empty_and_distant_regions_are_refused(hand: Hand) -> None:
    bench = hand.bench
    bench.open(draw())
    shapes = bench.viewer.add_shapes(None, ndim=2)
    hand.automatic.start(Run("objects", {}, region=shapes))
    assert "Nothing is drawn" in bench.said and not hand.automatic.work.busy
    shapes.add(rectangle(200, 200, 220, 220), shape_type="rectangle")
    hand.automatic.start(Run("objects", {}, region=shapes))
    assert "covers nothing of this plane" in bench.said and not hand.made
    with pytest.raises(ValueError, match="Nothing is drawn"):
        read_region(Shapes(None, ndim=2, name="empty"), bench.session.picture)


@pytest.mark.parametrize("dtype", [np.uint32, np.uint8, np.int64])
def test_gaps_are_filled_and_the_users_labels_stay(hand: Hand, dtype: Any) -> None:
    bench = hand.bench
    bench.open(draw())
    labels = np.zeros((100, 120), dtype)
    labels[60:81, 15:45] = 40  # over the fourth disc, more than it
    mine = bench.viewer.add_labels(labels.copy(), name="mine")
    hand.run(fill=mine)
    np.testing.assert_array_equal(mine.data == 40, labels == 40)
    assert ids(mine) == [40, 41, 42, 43, 44] and bench.commits.labels.next_label == 45
    assert "4 new objects in “mine”" in bench.said and not hand.made
    hand.filtering.apply(Selection(min_diameter=16))
    assert len(ids(mine)) == 3
    bench.commits.undo()
    np.testing.assert_array_equal(mine.data, labels)
    bench.commits.redo()
    assert len(ids(mine)) == 3 and bench.commits.labels.layer is mine


def test_a_rerun_into_gaps_takes_the_place_of_the_last_but_of_what_was_corrected(
    hand: Hand,
) -> None:
    bench = hand.bench
    bench.open(draw())
    mine = bench.viewer.add_labels(np.zeros((100, 120), np.uint32), name="mine")
    hand.run(fill=mine)
    corrected = int(mine.data[70, 90])
    mine.data_setitem(tuple(np.argwhere(mine.data == corrected)[:200].T), 0)
    kept = mine.data.copy()
    hand.run(fill=mine, set={"min_area": 200})
    assert (mine.data == corrected).sum() == (kept == corrected).sum()
    assert len(ids(mine)) == 3  # two large ones anew, and the corrected one
    bench.commits.undo()
    np.testing.assert_array_equal(mine.data, kept)
    bench.commits.undo()
    assert ids(mine) == []  # what the user left of the corrected one was the run's
    bench.commits.redo()
    np.testing.assert_array_equal(mine.data, kept)


def test_gaps_of_a_result_are_filled_and_the_result_stays(hand: Hand) -> None:
    bench = hand.bench
    bench.open(draw())
    hand.run(set={"min_area": 200})
    result = bench.commits.labels.layer
    first = result.data.copy()
    assert ids(result) == [1, 2, 3]
    hand.run(fill=result)
    assert "2 new objects" in bench.said
    np.testing.assert_array_equal(result.data[first > 0], first[first > 0])
    filled = result.data.copy()
    hand.run(fill=result)  # of the same layer again: what filled it is found anew
    np.testing.assert_array_equal(result.data > 0, filled > 0)
    assert len(ids(result)) == 5
    for _ in range(2):
        bench.commits.undo()
    np.testing.assert_array_equal(result.data, first)


def test_gaps_of_a_stack_are_linked_and_numbered_on(hand: Hand) -> None:
    bench = hand.bench
    bench.open(np.stack([draw()] * 3))
    mine = bench.viewer.add_labels(np.zeros((3, 100, 120), np.uint32), name="mine")
    mine.data[1, 5:35, 5:35] = 7
    hand.run(fill=mine, whole=True, link=0)
    first = [int(mine.data[0][c]) for c in CENTERS]
    assert first == [int(mine.data[2][c]) for c in CENTERS][:0] + first
    assert [int(mine.data[1][c]) for c in CENTERS[1:]] == first[1:]
    assert mine.data[1, 20, 20] == 7 and (mine.data == 7).sum() == 900
    bench.commits.undo()
    assert ids(mine) == [7]


def test_a_type_that_cannot_hold_the_numbers_is_said(hand: Hand) -> None:
    bench = hand.bench
    bench.open(draw())
    labels = np.zeros((100, 120), np.uint8)
    labels[0, 0] = 253
    mine = bench.viewer.add_labels(labels, name="mine")
    hand.run(fill=mine)
    assert "convert it to uint32" in bench.said and ids(mine) == [253]
    assert bench.session.status.kind == "error"
