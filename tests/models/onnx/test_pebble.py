"""The embedded model through the common runner: its windows, second look and proposals."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam_onnx.embedding import Embedding
from napari_sam_onnx.models import load_model
from napari_sam_onnx.models.onnx.contracts.families import ENCODERS
from napari_sam_onnx.models.onnx.framing.feeds import Question
from napari_sam_onnx.models.onnx.framing.frame import Frame
from napari_sam_onnx.models.onnx.pebble import find_proposals, look_again, look_closer
from napari_sam_onnx.prompts import PromptError, make_prompts

SHAPE = (100, 140)
QUESTION = Question(np.zeros((1, 2), np.float32), np.ones(1, np.float32))


@pytest.fixture(scope="module")
def pebble():
    model = load_model("pebble", threads=1)
    yield model
    model.close()


@pytest.fixture(scope="module")
def plane():
    """Bright discs of radius 9 on a dark ground, a little noise on all."""
    y, x = np.indices(SHAPE)
    gray = np.random.default_rng(0).normal(20, 3, SHAPE)
    for centre in ((30, 30), (30, 90), (70, 60)):
        gray[np.hypot(y - centre[0], x - centre[1]) < 9] += 120
    return np.repeat(gray.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def prompt(points=None, labels=None, box=None, mask=None):
    return make_prompts(points, labels, box, mask, plane_shape=SHAPE)


def test_it_is_recognised_by_its_own_metadata(pebble):
    assert pebble.contract.name == "EP + P"
    assert pebble.takes_batches and pebble.takes_masks
    assert set(pebble.contract.decoder.embeddings) == {"detail", "features", "context", "extent"}


def test_planes_enter_at_the_size_of_its_resize_rule(pebble, plane):
    assert pebble.encode(plane).input_shape == (200, 280)
    assert "objectness" in pebble.encode(plane).tensors


def test_windows_are_of_the_plane_and_hold_the_click(pebble, plane):
    embedding = pebble.encode(plane)
    points = [(30.0, 30.0), (70.0, 60.0), (5.0, 130.0)]
    answer = pebble.decode(embedding, [prompt([point]) for point in points])
    assert answer.logits.shape[:2] == (3, 3)
    for (y, x), (y0, x0, y1, x1) in zip(points, answer.windows, strict=True):
        assert y0 < y + 0.5 < y1
        assert x0 < x + 0.5 < x1
        assert y1 - y0 == pytest.approx(x1 - x0, rel=1e-3)  # both axes scale by 2
        assert y1 - y0 < 300


def test_a_box_lies_within_its_window(pebble, plane):
    answer = pebble.decode(pebble.encode(plane), [prompt(box=(20, 78, 41, 103))])
    y0, x0, y1, x1 = answer.windows[0]
    assert y0 < 20 and x0 < 78 and y1 > 41 and x1 > 103


def test_prompts_of_all_kinds_in_a_batch_answer_as_alone(pebble, plane):
    embedding = pebble.encode(plane)
    earlier = pebble.decode(embedding, [prompt([(30, 30)])]).mask(0, 0)
    asked = [
        prompt([(30, 30)]),
        prompt([(30, 90), (50, 60)], [1, 0]),
        prompt(box=(60, 50, 80, 72)),
        prompt([(30, 30)], mask=earlier),
        prompt([(70, 60)]),
    ]
    together = pebble.decode(embedding, asked)
    for row, one in enumerate(asked):
        alone = pebble.decode(embedding, [one])
        np.testing.assert_allclose(together.logits[row], alone.logits[0], atol=2e-3)
        np.testing.assert_allclose(together.windows[row], alone.windows[0], atol=1e-3)


def test_an_earlier_mask_changes_the_answer(pebble, plane):
    embedding = pebble.encode(plane)
    first = pebble.decode(embedding, [prompt([(30, 30)])])
    again = pebble.decode(embedding, [prompt([(30, 30)], mask=first.mask(0, 1))])
    assert np.abs(again.logits - first.logits).max() > 1e-3


# ---- second look --------------------------------------------------------------------------


def test_a_mask_alone_is_refused_with_what_to_add(pebble, plane):
    embedding = pebble.encode(plane)
    earlier = pebble.decode(embedding, [prompt([(30, 30)])]).mask(0, 0)
    with pytest.raises(PromptError, match="together with a point or a box"):
        pebble.decode(embedding, [prompt(mask=earlier)])


def edge_logits(rows, columns):
    logits = np.full((1, 3, 8, 8), -5, np.float32)
    logits[0, 1, rows, columns] = 5
    return logits


INSIDE = np.array([[10, 10, 50, 50]], np.float32)
SCORES = np.array([[0.2, 0.9, 0.3]], np.float32)
FIRST, LAST, MIDDLE = slice(0, 2), slice(6, 8), slice(3, 5)


@pytest.mark.parametrize(
    ("rows", "columns", "window"),
    [
        (FIRST, MIDDLE, (0, 10, 40, 50)),
        (MIDDLE, FIRST, (10, -3, 50, 37)),
        (LAST, MIDDLE, (60, 10, 100, 50)),
        (MIDDLE, LAST, (10, 110, 50, 150)),
    ],
    ids=["top", "left", "bottom", "right"],
)
def test_a_cut_mask_is_looked_at_again_unless_the_plane_ends_there(rows, columns, window):
    logits = edge_logits(rows, columns)
    positions, larger = look_again([QUESTION], logits, SCORES, INSIDE, SHAPE)
    assert positions == [0]
    np.testing.assert_array_equal(larger[0].mask.logits, logits[0, 1])
    np.testing.assert_array_equal(larger[0].mask.window, INSIDE[0])
    at_border = np.array([window], np.float32)
    assert look_again([QUESTION], logits, SCORES, at_border, SHAPE) == ([], [])


def test_only_the_best_mask_counts_and_only_at_the_rim():
    middle = edge_logits(MIDDLE, MIDDLE)
    assert look_again([QUESTION], middle, SCORES, INSIDE, SHAPE) == ([], [])
    cut = edge_logits(FIRST, MIDDLE)
    other_best = np.array([[0.9, 0.2, 0.3]], np.float32)
    assert look_again([QUESTION], cut, other_best, INSIDE, SHAPE) == ([], [])


def test_the_runner_asks_once_more_and_keeps_the_rest(pebble, plane, monkeypatch):
    embedding = pebble.encode(plane)
    run = pebble._decoder.run
    asked = []

    def cut_first(feeds, outputs):
        answer = run(feeds, outputs)
        asked.append(feeds["has_mask_input"].copy())
        masks = np.full_like(answer["low_res_masks"], -5)
        masks[:, :, 30:34, 30:34] = 5
        if not feeds["has_mask_input"].any():
            masks[0, :, 0] = 5  # the first prompt's mask is cut, in a window inside the plane
            answer["windows"][0] = (60, 60, 100, 100)
        else:
            answer["windows"][:] = (40, 40, 120, 120)
        return {**answer, "low_res_masks": masks}

    monkeypatch.setattr(pebble._decoder, "run", cut_first)
    answer = pebble.decode(embedding, [prompt([(40, 40)]), prompt([(70, 60)])])
    assert [flags.tolist() for flags in asked] == [[0, 0], [1]]
    np.testing.assert_allclose(answer.windows[0], (20, 20, 60, 60))
    assert not (answer.logits[0, :, 0] > 0).any()


# ---- a closer look of the encoder ---------------------------------------------------------


def test_a_plane_of_small_objects_is_encoded_once_more_at_twice_the_size(pebble):
    def draw(radius):
        y, x = np.indices((600, 640))
        gray = np.random.default_rng(0).normal(20, 3, y.shape)
        for cy in range(50, 600, 100):
            for cx in range(50, 640, 90):
                gray[np.hypot(y - cy, x - cx) < radius] += 120
        return np.repeat(gray.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)

    assert pebble.encode(draw(16)).input_shape == (600, 640)
    closer = pebble.encode(draw(6))
    assert closer.input_shape == (1200, 1280)
    answer = pebble.decode(closer, [make_prompts([(250, 320)], plane_shape=(600, 640))])
    y0, x0, y1, x1 = answer.windows[0]
    assert y0 < 244 and y1 > 257 and x0 < 314 and x1 > 327 and y1 - y0 < 40
    found = pebble.propose(closer)
    assert np.abs(found.points - (250, 320)).max(axis=1).min() < 2


@pytest.mark.parametrize(
    ("extent", "shape", "scale", "expected"),
    [
        pytest.param(7.0, (76, 100), 1, (152, 200), id="23 px"),
        pytest.param(8.0, (76, 100), 1, None, id="26 px"),
        pytest.param(7.0, (38, 50), 2, None, id="enlarged already"),
        pytest.param(7.0, (1025, 100), 1, None, id="too large to be doubled"),
    ],
)
def test_what_is_looked_at_more_closely(extent, shape, scale, expected):
    frame = Frame(np.array([scale, scale], float), True, np.zeros(4, np.float32))
    centers = np.zeros((24, 32), np.float32)
    centers[3, 4], centers[12, 20] = 0.6, 0.5
    seen = embedding_of(centers, extent, shape, scale)
    assert look_closer(seen, frame, ENCODERS["EP"]) == expected
    unsure = embedding_of(centers / 2, extent, shape, scale)
    assert look_closer(unsure, frame, ENCODERS["EP"]) is None


# ---- proposals ----------------------------------------------------------------------------


def embedding_of(centers, extent=6.0, shape=(38, 50), scale=2):
    """A plane of `shape` that entered at twice its size, padded to the maps' cells."""
    objectness = np.zeros((1, 2, *centers.shape), np.float32)
    objectness[0, 0] = centers
    extents = np.broadcast_to(
        np.array([4, 8, 12, 16], np.float32).reshape(1, 4, 1, 1) * extent / 6,
        (1, 4, *centers.shape),
    )
    size = (shape[0] * scale, shape[1] * scale)
    return Embedding({"objectness": objectness, "extent": extents}, shape, size, "pebble@0")


FRAME = Frame(np.array([2.0, 2.0]), True, np.zeros(4, np.float32))


def test_peaks_become_points_boxes_and_scores_best_first():
    centers = np.zeros((24, 32), np.float32)
    centers[3, 4], centers[3, 5], centers[10, 20], centers[15, 2] = 0.6, 0.5, 0.9, 0.05
    found = find_proposals(embedding_of(centers), FRAME)
    np.testing.assert_allclose(found.scores, [0.9, 0.6])
    # Cell (10, 20) is centred on input pixels (41.5, 81.5), on plane pixels (20.5, 40.5).
    np.testing.assert_allclose(found.points, [[20.5, 40.5], [6.5, 8.5]])
    np.testing.assert_allclose(found.boxes[0], [20.5 - 4, 40.5 - 2, 20.5 + 8, 40.5 + 6])
    assert len(found) == 2


def test_peaks_of_one_box_are_one_object():
    centers = np.zeros((24, 32), np.float32)
    centers[3, 4], centers[5, 4], centers[3, 20] = 0.6, 0.7, 0.5
    # Boxes of 20 by 24 input pixels, 8 apart, share 2/3 of each: their IoU is 0.5.
    assert len(find_proposals(embedding_of(centers), FRAME)) == 3
    # Five times as large they share 14/15; the more certain one stays.
    found = find_proposals(embedding_of(centers, extent=30.0), FRAME)
    np.testing.assert_allclose(found.scores, [0.7, 0.5])


def test_the_foreground_comes_along_without_the_padding():
    embedding = embedding_of(np.zeros((24, 32), np.float32))
    seen = embedding.tensors["objectness"][0, 1]
    seen[5, 6] = 0.8
    seen[18, 24] = seen[19, 0] = 0.9  # column 24 is the last of 100 / 4; row 19 is padding
    found = find_proposals(embedding, FRAME)
    assert found.foreground.shape == (19, 25)
    np.testing.assert_allclose(found.cell, [2, 2])  # 4 input pixels
    expected = np.zeros((19, 25), np.float32)
    expected[4:7, 5:8] = 0.8
    expected[17:, 23:] = 0.9
    np.testing.assert_array_equal(found.foreground, expected)


def test_peaks_in_the_padding_are_left_out():
    centers = np.zeros((24, 32), np.float32)
    centers[21, 3] = 0.9  # input row 85.5 of 76
    centers[18, 26] = 0.9  # input column 105.5 of 100
    assert len(find_proposals(embedding_of(centers), FRAME)) == 0


def test_proposals_lie_on_the_plane_they_came_from(pebble, plane):
    found = pebble.propose(pebble.encode(plane))
    assert (found.points >= -0.5).all()
    assert (found.points <= np.array(SHAPE) - 0.5).all()
    assert (np.diff(found.scores) <= 0).all()


def test_other_models_propose_nothing(tiny_sam_pair):
    model = load_model(tiny_sam_pair, threads=1)
    assert model.propose(model.encode(np.zeros((9, 9, 3), np.uint8))) is None


def test_several_threads_ask_it_at_once_and_get_the_same_answers(pebble, plane):
    assert pebble.split() == (pebble, 1)
    model = load_model("pebble", threads=2)
    twin, lanes = model.split()
    assert lanes == 2
    assert model.split()[0] is twin is not model
    embedding = model.encode(plane)
    asked = [prompt([(30, 30)]), prompt([(30, 90)])]
    expected, found = model.decode(embedding, asked), twin.decode(embedding, asked)
    np.testing.assert_allclose(found.predicted_iou, expected.predicted_iou, atol=1e-5)
    np.testing.assert_allclose(np.asarray(found.logits), np.asarray(expected.logits), atol=1e-3)
    model.close()
    with pytest.raises(RuntimeError, match="closed"):
        twin.decode(embedding, asked)
