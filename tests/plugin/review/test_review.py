"""The queue of places, and going through it, without Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Labels
from scipy.ndimage import binary_dilation

from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.plugin.layers.ring import draw_ring
from napari_sam_onnx.plugin.picture.plane import Plane
from napari_sam_onnx.plugin.review import Place, Reviewer, ReviewQueue

if TYPE_CHECKING:
    from tests.plugin.conftest import Bench

LAYER = Labels(np.zeros((4, 40, 60), np.uint32))


def place(score: float, label: int = 1, z: int = 0, layer: Labels = LAYER) -> Place:
    plane = Plane((1, 2), (z, 0, 0))
    return Place(layer, plane, (10.0, 20.0), label, f"Object {label} is odd ({score}).", score)


@pytest.fixture
def queue() -> ReviewQueue:
    made = ReviewQueue()
    made.fill("stack", [place(0.2, 1), place(0.9, 2)])
    made.fill("masks", [place(0.5, 3)])
    return made


def scores(queue: ReviewQueue) -> list[float]:
    return [p.score for p in queue.places]


def test_places_of_all_who_find_some_are_one_list(queue: ReviewQueue) -> None:
    assert scores(queue) == [0.9, 0.5, 0.2]
    queue.fill("masks", [place(0.95, 7), place(0.1, 8)])
    assert scores(queue) == [0.95, 0.9, 0.2, 0.1]
    queue.clear("stack")
    assert scores(queue) == [0.95, 0.1]


def test_steps_stop_at_the_ends(queue: ReviewQueue) -> None:
    assert [queue.step(1).score for _ in range(4)] == [0.9, 0.5, 0.2, 0.2]
    assert [queue.step(-1).score for _ in range(3)] == [0.5, 0.9, 0.9]
    assert ReviewQueue().step(1) is None


def test_what_was_looked_at_is_remembered(queue: ReviewQueue) -> None:
    first = queue.step(1)
    assert queue.left == 2 and queue.is_seen(first)
    queue.fill("stack", [place(0.9, 2)])
    assert queue.left == 1 and queue.current is first


def test_a_place_that_goes_makes_room_for_the_next(queue: ReviewQueue) -> None:
    queue.step(1)
    assert queue.step(1).score == 0.5
    queue.settle(3, LAYER)
    assert scores(queue) == [0.9, 0.2]
    assert queue.step(1).score == 0.2
    queue.drop_layer(LAYER)
    assert queue.places == () and queue.current is None and queue.left == 0


def test_the_same_place_of_two_finders_is_one(queue: ReviewQueue) -> None:
    queue.fill("masks", [place(0.9, 2)])
    assert scores(queue) == [0.9, 0.2]


def test_listeners_hear_of_every_change(queue: ReviewQueue) -> None:
    heard = []
    queue.changed.connect(lambda: heard.append(len(queue.places)))
    queue.step(1)
    queue.clear("stack")
    queue.clear("stack")
    assert heard == [3, 1]


def test_going_there_moves_sliders_camera_and_label(bench: Bench) -> None:
    bench.open(np.zeros((4, 40, 60), np.uint8), scale=(3, 2, 2))
    layer = bench.viewer.add_labels(np.zeros((4, 40, 60), np.uint32), scale=(3, 2, 2))
    bench.session.layers.activate()
    queue = ReviewQueue()
    reviewer = Reviewer(bench.session, queue)
    reviewer.next()
    assert bench.said == "There is nothing to review."
    queue.fill("stack", [place(0.9, 5, z=2, layer=layer), place(0.4, 6, z=1, layer=layer)])
    camera = getattr(bench.viewer, "scene", bench.viewer).camera
    before = camera.center
    reviewer.next()
    assert camera.center == before  # it is in view
    corner = Place(layer, Plane((1, 2), (2, 0, 0)), (39.0, 59.0), 7, "In the corner.", 0.95)
    queue.fill("masks", [corner])
    reviewer.previous()
    assert camera.center == before and queue.current.label == 7
    queue.clear("masks")
    reviewer.next()
    bench.session.picture.main.corner_pixels = np.array([[0, 20, 30], [3, 35, 50]])
    reviewer.go_to(queue.current)
    assert bench.viewer.dims.current_step[0] == 2 and layer.selected_label == 5
    np.testing.assert_allclose(camera.center[1:], (20, 40))
    assert bench.said == "1 of 2: Object 5 is odd (0.9)."
    reviewer.next()
    assert bench.session.plane.position[0] == 1 and layer.selected_label == 6
    reviewer.next()
    assert bench.said == "This is the last place: Object 6 is odd (0.4)."
    reviewer.previous()
    assert bench.session.plane.position[0] == 2
    bench.viewer.layers.remove(layer)
    assert not queue.places


def test_a_ring_is_drawn_beside_the_object_and_cut_at_the_border() -> None:
    plane = np.zeros((60, 60), bool)
    plane[0:10, 20:30] = True
    ring = np.asarray(draw_ring(Mask.from_array(plane)))
    rows, columns = np.nonzero(ring)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 12, 17, 32)
    assert not (ring & binary_dilation(plane)).any()
    assert not draw_ring(Mask.from_array(np.zeros((60, 60)))).area


def test_what_is_looked_at_has_a_ring_as_it_is_until_something_is_opened(bench: Bench) -> None:
    bench.open(np.zeros((4, 40, 60), np.uint8))
    labels = np.zeros((4, 40, 60), np.uint32)
    labels[2, 5:15, 15:25], labels[1, 5:15, 15:25] = 5, 6
    layer = bench.viewer.add_labels(labels)
    bench.session.layers.activate()
    ring = draw_ring(Mask.from_array(labels[2] == 5)).area
    queue = ReviewQueue()
    reviewer = Reviewer(bench.session, queue)
    queue.fill("stack", [place(0.9, 5, 2, layer), place(0.4, 6, 1, layer), place(0.1, 0, 0, layer)])
    preview = bench.session.layers.preview.layer
    reviewer.next()
    assert bench.shown == ring and preview.translate[0] == 2
    reviewer.next()
    assert bench.shown == ring and preview.translate[0] == 1
    upper = np.argwhere(labels[1] == 6)[:50]
    layer.data_setitem((np.full(50, 1), *upper.T), 0)
    bench.session.dialogue.fit_again()  # as after every edit
    assert bench.shown == ring - 2 * 2 * 5  # half of the object
    reviewer.next()  # an object that may have been missed
    assert bench.shown > 20 and preview.translate[0] == 0
    bench.click(0, 20, 20)
    bench.commits.undo()
    assert bench.shown == 0  # the mark went when the click opened something
    reviewer.previous()
    assert bench.shown == ring - 20
    bench.viewer.layers.remove(layer)
    assert bench.shown == 0 and queue.places == ()
