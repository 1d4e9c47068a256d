"""The controller without Qt: what is asked, what is shown, what becomes a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from scipy import ndimage
from skimage.measure import regionprops
from tifffile import imread

from napari_sam_onnx.labels.rules import Rules
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.plugin.picture.geometry import role_of
from napari_sam_onnx.plugin.session.engine import Engine
from napari_sam_onnx.plugin.session.session import Session
from napari_sam_onnx.samples import open_nuclei, sample_path
from tests.fakes import ComponentModel, draw_discs
from tests.plugin.conftest import CENTERS, RADIUS, Bench

if TYPE_CHECKING:
    from napari_sam_onnx.embedding import Embedding

A, B, C = CENTERS
DISC = int(np.count_nonzero(draw_discs((100, 120), [A], RADIUS)))


def test_without_a_picture_every_action_says_so(bench: Bench) -> None:
    assert bench.said == "Open a picture to begin."
    for act in (bench.commits.accept, bench.commits.discard, bench.session.dialogue.cycle):
        act()
        assert bench.said.startswith(("There is nothing to", "There is no mask"))
        assert bench.session.status.kind == "info"
    bench.commits.undo()
    assert "nothing left to undo" in bench.said
    bench.commits.redo()
    assert "nothing to redo" in bench.said
    bench.commits.delete_at((3, 3))
    assert "no picture under the cursor" in bench.said


def test_first_picture_is_taken_and_encoded_ahead(bench: Bench) -> None:
    bench.open()
    assert bench.session.status.kind == "ready"
    assert bench.models["pebble"].encoded == 1
    bench.click(*A)
    bench.click(*B)
    assert bench.models["pebble"].encoded == 1
    other = bench.open(name="other")
    assert bench.session.picture.main is not other  # a later one is the user's choice


def test_our_layers_are_known_by_their_mark(bench: Bench) -> None:
    bench.open()
    for layer in bench.session.layers.all:
        layer.name = "renamed"
    bench.click(*A)
    bench.commits.accept()
    assert bench.ids == [1]
    roles = [role_of(layer) for layer in bench.viewer.layers]
    assert roles == [None, "labels", "preview", "boxes", "points"]
    bench.session.close()
    assert [role_of(layer) for layer in bench.viewer.layers] == [None, "labels"]


def test_a_click_while_encoding_is_answered_when_it_is_done(bench: Bench) -> None:
    bench.lane.hold()
    bench.open()
    assert bench.session.status.kind == "busy"
    bench.click(*A)
    assert bench.session.answer is None
    bench.lane.release()
    assert bench.shown == DISC


def test_a_stale_answer_is_dropped(bench: Bench) -> None:
    bench.open()
    bench.lane.hold()
    bench.click(*A)
    (late,) = bench.lane.held
    bench.lane.held = []
    bench.click(*B)
    newest = bench.lane.held
    bench.lane.held = [*newest]
    bench.lane._run(late)  # it had begun before the second click
    assert bench.session.answer is None
    bench.lane.release()
    assert bench.shown == 2 * DISC


def test_accepted_before_the_answer_and_undone_before_it(bench: Bench) -> None:
    bench.open()
    bench.lane.hold()
    bench.click(*A)
    bench.commits.accept()
    assert len(bench.session.layers.points.data) == 0  # free for the next object
    bench.click(*B)
    bench.commits.accept()
    bench.commits.undo()  # B, whose answer has not come
    assert len(bench.session.layers.points.data) == 1
    bench.lane.release()
    assert bench.ids == [1]
    np.testing.assert_array_equal(bench.labels > 0, draw_discs((100, 120), [A], RADIUS) > 0)


def test_failure_gives_the_prompts_back(bench: Bench) -> None:
    bench.open()

    def fail(embedding: Embedding, prompts: Any) -> Any:
        raise ModelError("The decoder broke; choose another model.")

    bench.models["pebble"].decode = fail
    bench.lane.hold()
    bench.click(*A)
    bench.commits.accept()
    bench.lane.release()
    assert bench.said == "The decoder broke; choose another model."
    assert len(bench.session.layers.points.data) == 1
    assert bench.commits.labels.layer is None


def test_added_clicks_refine_and_edits_do_not(bench: Bench) -> None:
    bench.open()
    model, seen = bench.models["pebble"], []
    decode = model.decode

    def watch(embedding: Embedding, prompts: Any) -> Any:
        seen.append(prompts[0])
        return decode(embedding, prompts)

    model.decode = watch
    bench.click(*A)
    assert seen[-1].mask is None
    bench.session.dialogue.cycle()
    chosen = bench.session.answer.mask.low_res
    bench.click(*B)
    assert seen[-1].mask is chosen
    points = bench.session.layers.points
    points.data = points.data + 1  # moved by hand
    assert seen[-1].mask is None and len(seen[-1].points) == 2
    bench.commits.undo()  # back to what was answered already
    assert len(seen) == 3 and bench.shown == 2 * DISC


def test_undo_is_in_the_order_of_the_user(bench: Bench) -> None:
    bench.open()
    for at in (A, B):
        bench.click(*at)
        bench.commits.accept()
    bench.click(*C)
    states = []
    for _ in range(5):
        states.append((bench.ids, len(bench.session.layers.points.data)))
        bench.commits.undo()
    assert states == [([1, 2], 1), ([1, 2], 0), ([1], 1), ([1], 0), ([], 1)]
    assert bench.ids == [] and bench.commits.labels.next_label == 1
    for _ in range(5):
        bench.commits.redo()
    assert (bench.ids, len(bench.session.layers.points.data)) == ([1, 2], 1)
    assert bench.commits.labels.next_label == 3


def test_undo_keeps_what_was_painted_by_hand(bench: Bench) -> None:
    bench.open()
    bench.click(*A)
    bench.commits.accept()
    target = bench.commits.labels.layer
    target.data_setitem((np.array([30]), np.array([30])), 9)
    bench.commits.undo()
    assert bench.ids == [9]
    bench.commits.redo()
    assert target.data[30, 30] == 9 and np.count_nonzero(target.data == 1) == DISC - 1


def test_existing_labels_are_never_overwritten_unless_asked(bench: Bench) -> None:
    bench.open()
    mine = np.zeros((100, 120), np.uint8)
    mine[:30] = 7
    layer = bench.viewer.add_labels(mine, name="mine")
    bench.commits.labels.choose(layer)
    assert bench.commits.labels.next_label == 8
    bench.session.layers.activate()
    bench.click(*A)
    bench.commits.accept()
    assert (layer.data[:30] == 7).all() and (layer.data == 8).any()
    bench.commits.undo()
    bench.commits.rules = Rules("overwrite")
    bench.commits.accept()
    np.testing.assert_array_equal(layer.data == 8, draw_discs((100, 120), [A], RADIUS) > 0)
    bench.commits.undo()
    assert np.unique(layer.data).tolist() == [0, 7] and (layer.data[:30] == 7).all()


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda b: setattr(b.commits.labels, "next_label", 300), "does not fit"),
        (lambda b: b.click(3, 3), "mask is empty"),
    ],
)
def test_refused_commits_keep_the_prompts(bench: Bench, prepare: Any, sentence: str) -> None:
    bench.open()
    layer = bench.viewer.add_labels(np.zeros((100, 120), np.uint8))
    bench.commits.labels.choose(layer)
    prepare(bench)
    if not len(bench.session.layers.points.data):
        bench.click(*A)
    bench.commits.accept()
    assert sentence in bench.said and bench.session.status.kind == "error"
    assert len(bench.session.layers.points.data) == 1 and not layer.data.any()


def test_target_of_another_shape_or_removed(bench: Bench) -> None:
    bench.open()
    wrong = bench.viewer.add_labels(np.zeros((5, 5), int), name="small")
    assert wrong not in bench.commits.labels.fitting()
    bench.commits.labels.choose(wrong)
    assert "5 × 5" in bench.said and "100 × 120" in bench.said
    bench.session.layers.activate()
    bench.click(*A)
    bench.commits.accept()
    bench.viewer.layers.remove(bench.commits.labels.layer)
    assert "starts a new one" in bench.said
    bench.commits.undo()
    assert "was removed" in bench.said
    bench.commits.accept()
    assert bench.ids == [1] and bench.commits.labels.layer in bench.viewer.layers


def test_clicks_outside_the_picture_are_refused(bench: Bench) -> None:
    bench.open()
    bench.click(*A)
    bench.click(200, 30)
    assert "outside the picture" in bench.said
    assert len(bench.session.layers.points.data) == 1 and bench.shown == DISC
    bench.click(99.4, 119.4)
    assert len(bench.session.layers.points.data) == 2


def test_background_clicks_alone_say_nothing(bench: Bench) -> None:
    bench.open()
    bench.click(*A, positive=False)
    assert "background points alone" in bench.said and bench.session.answer is None
    bench.commits.accept()
    assert "nothing to accept" in bench.said
    bench.click(*B)
    assert bench.shown == DISC


def test_turbo_commits_each_click_even_while_the_model_is_slow(bench: Bench) -> None:
    bench.open()
    bench.commits.toggle_turbo()
    bench.lane.hold()
    for at in CENTERS:
        bench.click(*at)
    assert len(bench.session.layers.points.data) == 0
    bench.lane.release()
    assert bench.ids == [1, 2, 3]
    assert [int(bench.labels[at]) for at in CENTERS] == [1, 2, 3]
    bench.click(5, 5, positive=False)
    assert "Turbo takes clicks on objects" in bench.said
    bench.commits.undo()
    assert bench.ids == [1, 2]


def test_a_box_drawn_again_replaces_the_earlier_one(bench: Bench) -> None:
    bench.open()
    bench.session.add_box((15, 15, 45, 45))
    assert bench.shown == DISC
    bench.session.add_box((14, 14, 46, 46))
    assert len(bench.session.layers.boxes.data) == 1
    bench.commits.undo()
    np.testing.assert_allclose(bench.session.layers.boxes.data[0][0], (15, 15))
    bench.session.layers.boxes.data = []
    assert bench.session.answer is None


def test_several_boxes_are_several_objects_and_one_step(bench: Bench) -> None:
    bench.open()
    model = bench.models["pebble"]
    for y, x in CENTERS:
        bench.session.add_box((y - 15, x - 15, y + 15, x + 15))
    assert model.decoded == 3  # each box once
    assert bench.shown == 3 * DISC
    assert "3 objects: N accepts all" in bench.said
    colors = bench.session.layers.preview.layer.data
    assert len({int(colors[at]) for at in CENTERS}) == 3
    bench.click(*A, positive=False)  # belongs to the box around it
    assert bench.shown == 2 * DISC
    bench.commits.undo()
    bench.commits.accept()
    assert [int(bench.labels[at]) for at in CENTERS] == [1, 2, 3]
    assert not bench.session.layers.boxes.data
    bench.commits.undo()
    assert bench.ids == [] and len(bench.session.layers.boxes.data) == 3
    bench.commits.redo()
    assert bench.ids == [1, 2, 3]


def test_each_click_is_an_object_where_that_is_chosen(bench: Bench) -> None:
    bench.open()
    bench.session.choose_each_click(True)
    for at in CENTERS:
        bench.click(*at)
    assert len(bench.session.answers) == 3
    bench.session.dialogue.cycle()  # of the last one
    assert [answer.chosen for answer in bench.session.answers] == [0, 0, 1]
    bench.session.dialogue.cycle()
    bench.session.dialogue.cycle()
    bench.session.choose_each_click(False)
    assert len(bench.session.answers) == 1
    bench.session.choose_each_click(True)
    bench.commits.accept()
    assert [int(bench.labels[at]) for at in CENTERS] == [1, 2, 3]


def test_objects_that_cannot_all_be_written_are_all_given_back(bench: Bench) -> None:
    bench.open()
    layer = bench.viewer.add_labels(np.zeros((100, 120), np.uint8))
    bench.commits.labels.choose(layer)
    bench.commits.labels.next_label = 255
    for y, x in (A, B):
        bench.session.add_box((y - 15, x - 15, y + 15, x + 15))
    bench.commits.accept()
    assert "does not fit" in bench.said and not layer.data.any()
    assert len(bench.session.layers.boxes.data) == 2 and bench.shown == 2 * DISC


def test_a_session_alone_answers(bench: Bench) -> None:
    viewer = ViewerModel()
    alone = Session(viewer, Engine(bench.load), bench.lane)
    viewer.add_image(draw_discs((100, 120), CENTERS, RADIUS))
    assert alone.layers is not None
    alone.layers.points.add(np.array(A, dtype=float))
    assert int(np.count_nonzero(alone.layers.preview.layer.data)) == DISC
    alone.close()


def test_one_signal_per_thing_that_changes(bench: Bench) -> None:
    bench.open()
    bench.click(*A)
    heard: list[str] = []
    names = ("picture", "prompts", "answer", "model", "status", "layers")
    for name in names:
        signal = getattr(bench.session, f"{name}_changed")
        signal.connect(lambda name=name: heard.append(name))
    bench.session.dialogue.cycle()
    assert heard == ["answer"]
    heard.clear()
    bench.commits.discard()
    assert sorted(heard) == ["answer", "prompts", "status"]
    heard.clear()
    bench.session.choose_model("another")
    assert set(heard) == {"model", "prompts", "status"} and heard.count("model") == 2


def test_discard_is_undone(bench: Bench) -> None:
    bench.open()
    bench.click(*A)
    bench.commits.discard()
    assert bench.session.answer is None
    bench.commits.undo()
    assert bench.shown == DISC
    bench.commits.discard()
    bench.commits.discard()
    assert "nothing to discard" in bench.said


def test_new_contrast_asks_again(bench: Bench) -> None:
    dim = draw_discs((100, 120), [A], RADIUS) // 3 + draw_discs((100, 120), [B], RADIUS)
    layer = bench.open(dim, contrast_limits=(0, 255))
    bench.click(*A)
    assert bench.shown == 0  # too dark for the model
    layer.contrast_limits = (0, 85)
    assert bench.shown == DISC
    assert bench.models["pebble"].encoded == 2


def test_moved_and_removed_pictures(bench: Bench, qapp: Any) -> None:
    layer = bench.open()
    bench.click(*A)
    bench.commits.accept()
    layer.scale = (2, 3)
    layer.translate = (5, 5)
    for ours in bench.session.layers.all:
        np.testing.assert_allclose(ours.scale, (2, 3))
        np.testing.assert_allclose(ours.translate, (5, 5))
    labels = bench.commits.labels.layer
    bench.viewer.layers.remove(layer)
    assert "Labels are kept" in bench.said
    qapp.processEvents()
    assert list(bench.viewer.layers) == [labels]
    assert bench.session.layers is None and bench.commits.labels.layer is None
    bench.open(name="next")
    bench.click(*A)
    assert bench.shown == DISC


def test_removed_prompt_layers_come_back(bench: Bench) -> None:
    bench.open()
    bench.viewer.layers.remove(bench.session.layers.points)
    assert "prompt layer was removed" in bench.said
    bench.session.renew_layers()
    bench.click(*A)
    assert bench.shown == DISC


def test_3d_view_is_explained(bench: Bench) -> None:
    bench.open(np.stack([draw_discs((50, 50), [(20, 20)], 8)] * 3))
    bench.viewer.dims.ndisplay = 3
    assert "2D view" in bench.said
    bench.session.layers.points.add((1, 20, 20))
    assert len(bench.session.layers.points.data) == 0
    bench.viewer.dims.ndisplay = 2
    assert bench.session.status.kind == "ready"


def test_transposed_view_segments_the_plane_that_is_seen(bench: Bench) -> None:
    stack = np.zeros((6, 40, 50), np.uint8)
    stack[1:5, 10:20, 5:30] = 255
    bench.open(stack, scale=(4, 1, 2))
    bench.viewer.dims.order = (1, 2, 0)  # x down, z across, at one y
    bench.viewer.dims.set_point(1, 15)
    assert bench.session.plane.axes == (2, 0)
    bench.click(3, 15, 10)
    bench.commits.accept()
    expected = np.zeros(stack.shape, bool)
    expected[:, 15] = stack[:, 15] > 0
    np.testing.assert_array_equal(bench.labels > 0, expected)


def test_five_dimensions_with_a_channel_axis(bench: Bench) -> None:
    from napari_sam_onnx.plugin.picture.picture import split_axis

    data = np.zeros((2, 3, 2, 40, 50), np.uint16)
    data[1, 2, 1, 10:20, 10:30] = 3000  # seen in the second channel alone
    data[:, :, 0, 0, 0] = 5
    layer = bench.open(data, scale=(1, 2, 1, 0.5, 0.5))
    bench.session.choose_picture(split_axis(layer, 2))
    assert bench.session.picture.shape == (2, 3, 1, 40, 50)
    bench.viewer.dims.set_current_step((0, 1), (1, 2))
    preview = bench.session.layers.preview.layer
    for channel in (0, 1):  # one object, whichever channel is shown
        bench.viewer.dims.set_current_step(2, channel)
        bench.session.layers.points.add((1, 2, 0, 15, 20))
        assert bench.shown == 200
        assert preview._slice.image.view.any()
        bench.commits.accept()
        assert bench.commits.labels.layer._slice.image.view.any()
        bench.commits.undo()
        bench.commits.undo()
    bench.commits.redo()
    bench.commits.redo()
    found, _ = ndimage.label(bench.labels[1, 2, 0])
    assert bench.labels.shape == (2, 3, 1, 40, 50) and found.max() == 1
    assert np.count_nonzero(bench.labels) == 200


def test_close_leaves_the_viewer_as_it_was() -> None:
    bench = Bench()
    layer = bench.open()
    before = [len(e.callbacks) for e in (layer.events.data, layer.events.contrast_limits)]
    bench.session.close()
    assert bench.lane.closed
    after = [len(e.callbacks) for e in (layer.events.data, layer.events.contrast_limits)]
    assert [a - b for a, b in zip(before, after, strict=True)] == [1, 1]
    assert list(bench.viewer.layers) == [layer]
    bench.open(name="later")
    assert len(bench.viewer.layers) == 2
    assert isinstance(bench.viewer, ViewerModel)


def test_pebble_on_the_sample_nuclei() -> None:
    bench = Bench()
    bench.session.engine = Engine()
    data, options, _ = open_nuclei()[0]
    bench.viewer.add_image(data, **options)
    assert bench.session.status.kind == "ready"
    truth = imread(sample_path("nuclei_truth"))
    found = [
        region
        for region in regionprops(truth)
        if region.area > 300 and region.solidity > 0.95 and min(region.bbox[:2]) > 0
    ][:12]
    overlaps = []
    for region in found:
        bench.click(*region.centroid)
        mask = np.asarray(bench.session.answer.mask)
        object_ = truth == region.label
        overlaps.append(np.sum(mask & object_) / np.sum(mask | object_))
        bench.commits.accept()
    assert np.median(overlaps) > 0.8
    assert len(bench.ids) == len(found) == 12
    bench.session.close()


def test_renamed_layers_are_noticed(bench: Bench) -> None:
    layer, heard = bench.open(), []
    bench.session.layers_changed.connect(lambda: heard.append(layer.name))
    layer.name = "another"
    assert heard[-1] == "another"


def test_models_that_fail_to_load_are_explained(bench: Bench) -> None:
    bench.open()

    def load(source: Any) -> ComponentModel:
        raise ModelError(f"There is no model {source!r}; download it first.")

    bench.session.engine._load = load
    bench.click(*A)
    bench.session.choose_model("missing")
    assert bench.said == "There is no model 'missing'; download it first."
    assert len(bench.session.layers.points.data) == 1


def test_pasted_points_show_their_sign(bench: Bench) -> None:
    bench.open()
    points = bench.session.layers.points
    bench.click(*A, positive=False)
    points.feature_defaults = {"positive": [True]}
    points.add(np.array([B, C], dtype=float))  # not by a click
    assert [str(s) for s in points.symbol] == ["cross", "disc", "disc"]
    np.testing.assert_array_equal(points.face_color, points.border_color)
    assert (points.face_color[1] == points.face_color[2]).all()
    assert (points.face_color[0] != points.face_color[1]).any()


def test_labels_that_were_opened_as_a_picture_are_not_followed(bench: Bench) -> None:
    picture = bench.open()
    masks = np.zeros((100, 120), np.uint16)
    for number in range(1, 6):
        masks[5:40, 20 * number : 20 * number + 15] = number
    opened = bench.open(masks, name="cp_masks")
    assert bench.session.picture.main is picture
    assert "“cp_masks” looks like labels" in bench.said
    bench.session.choose_layer(opened)
    assert bench.session.picture.main is opened


def test_clicks_are_prompts_again_after_the_3d_view(bench: Bench) -> None:
    bench.open()
    bench.click(*CENTERS[0])
    bench.viewer.dims.ndisplay = 3
    assert "switch off 3D" in bench.said
    bench.commits.accept()
    assert "switch off 3D" in bench.said and bench.ids == []
    bench.viewer.dims.ndisplay = 2
    assert bench.session.layers.points.mode == "add" and "N accepts" in bench.said
    bench.commits.accept()
    assert bench.ids == [1]
