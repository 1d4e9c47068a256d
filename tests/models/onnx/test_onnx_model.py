"""Every family, end to end on a small pair: where the mask lands, and what was fed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from napari_sam_onnx.embedding import LowResMask
from napari_sam_onnx.models import Model, ModelError, load_model
from napari_sam_onnx.models.onnx.candidates import choose_candidates
from napari_sam_onnx.prompts import PromptError, make_prompts
from tests.models.families import FAMILIES, IMAGENET, SYMMETRIC
from tests.models.onnx_pairs import MEAN, PADDING_COUNTS, STD

SHAPE = (192, 256)
COLOURS = np.array([[[250, 10, 90], [20, 240, 60]], [[40, 80, 230], [200, 190, 20]]], np.uint8)
"""Colours of the quadrants of the test plane, [row, column, RGB]."""
CLICK = (70.0, 40.0)


def make_plane(shape=SHAPE):
    return np.repeat(np.repeat(COLOURS, shape[0] // 2, axis=0), shape[1] // 2, axis=1)


@pytest.fixture(scope="module")
def opened(pair_of):
    models = {}

    def find(family):
        if family.contract not in models:
            model = load_model(pair_of(family), threads=1, overrides=dict(family.overrides))
            models[family.contract] = model, model.encode(make_plane())
        return models[family.contract]

    yield find
    for model, _ in models.values():
        model.close()


def select(**conditions):
    chosen = [
        family
        for family in FAMILIES
        if all(getattr(family, key) == value for key, value in conditions.items())
    ]
    return pytest.mark.parametrize("family", chosen, ids=str)


def prompt(points=None, labels=None, box=None, mask=None, shape=SHAPE):
    return make_prompts(points, labels, box, mask, plane_shape=shape)


def paint(low_res: LowResMask, shape=SHAPE):
    """The mask on the plane, each pixel taking the logit of the cell that covers it."""
    y0, x0, y1, x1 = low_res.window
    h, w = low_res.logits.shape
    row = ((np.arange(shape[0]) + 0.5 - y0) / (y1 - y0) * h).astype(int)
    column = ((np.arange(shape[1]) + 0.5 - x0) / (x1 - x0) * w).astype(int)
    return low_res.logits[np.ix_(row.clip(0, h - 1), column.clip(0, w - 1))] > 0


def draw_disc(family, centre, radius, shape=SHAPE):
    """The part of a disc, round in the family's frame, that has the colour of its centre."""
    side = family.decoder.side
    scale = side / np.array(shape) if family.squash else np.full(2, side / max(shape))
    y, x = np.indices(shape)
    inside = np.hypot((y - centre[0]) * scale[0], (x - centre[1]) * scale[1]) < radius
    quadrant = (y < shape[0] // 2) == (centre[0] < shape[0] // 2)
    return inside & quadrant & ((x < shape[1] // 2) == (centre[1] < shape[1] // 2))


def iou(a, b):
    return np.count_nonzero(a & b) / max(np.count_nonzero(a | b), 1)


def count_padding(family, answer):
    base = np.array(family.decoder.scores, np.float32)
    return np.round((answer.predicted_iou[0] - base) / PADDING_COUNTS).astype(int).tolist()


@select()
def test_a_pair_is_recognised_and_fulfils_the_protocol(family, opened):
    model, _ = opened(family)
    assert model.contract.name == family.contract
    assert isinstance(model, Model)
    assert family.contract in model.description


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.encoder is not None], ids=str)
def test_the_encoder_sees_each_colour_where_and_as_it_should(family, opened):
    """Layout, range, order of channels, resizing and padding in one."""
    _, embedding = opened(family)
    name = family.decoder.look
    seen = embedding.tensors[name][0, :3].astype(float)
    cells = seen.shape[-1]
    used = cells if family.squash else cells * 3 // 4  # rows that the plane of 3:4 fills
    colours = COLOURS.astype(float)
    if family.normalised == IMAGENET:
        colours = (colours - MEAN) / STD
    elif family.normalised == SYMMETRIC:
        colours = colours / 127.5 - 1
    wanted = np.zeros((3, cells, cells))
    rows = (np.arange(cells) >= used / 2).astype(int)[:, None]
    columns = (np.arange(cells) >= cells / 2).astype(int)
    wanted[:, :used] = colours[rows, columns].transpose(2, 0, 1)[:, :used]
    np.testing.assert_allclose(seen, wanted, atol=0.15)  # colours mix a little at the seams


@select(clicks=True)
def test_a_click_answers_with_the_object_under_it(family, opened):
    model, embedding = opened(family)
    answer = model.decode(embedding, [prompt([CLICK])])
    assert answer.best.tolist() == [family.best[0]]
    radius = family.decoder.radii[family.best[0]]
    wanted = draw_disc(family, CLICK, radius)
    assert iou(paint(answer.mask(0, family.best[0])), wanted) > 0.85
    assert answer.logits.dtype == answer.predicted_iou.dtype == np.float32


@select(clicks=True)
def test_each_candidate_has_its_own_extent_and_score(family, opened):
    model, embedding = opened(family)
    answer = model.decode(embedding, [prompt([CLICK])])
    for candidate, radius in enumerate(family.decoder.radii):
        assert iou(paint(answer.mask(0, candidate)), draw_disc(family, CLICK, radius)) > 0.85
    assert np.allclose(answer.predicted_iou[0], family.decoder.scores, atol=0.01)
    four = len(family.decoder.radii) == 4 and family.best[0] != 3  # EdgeSAM keeps all four
    everything = tuple(range(len(family.decoder.radii)))
    assert answer.ambiguity_set == ((1, 2, 3) if four else everything)


@select(boxes=True)
def test_a_box_is_a_box_with_its_corners_in_order(family, opened):
    model, embedding = opened(family)
    answer = model.decode(embedding, [prompt(box=(30.0, 100.0, 90.0, 220.0))])
    assert answer.best.tolist() == [family.best[1]]
    wanted = np.zeros(SHAPE, bool)
    wanted[30:91, 100:221] = True
    assert iou(paint(answer.mask(0, family.best[1])), wanted) > 0.8


@select(clicks=True, negatives=True)
def test_a_background_click_cuts_out(family, opened):
    model, embedding = opened(family)
    answer = model.decode(embedding, [prompt([CLICK, (70.0, 75.0)], [1, 0])])
    radius = family.decoder.radii[0]
    with_hole = draw_disc(family, CLICK, radius) & ~draw_disc(family, (70.0, 75.0), radius)
    assert iou(paint(answer.mask(0, 0)), with_hole) > 0.8


@select(clicks=True)
def test_padding_points_are_those_of_the_reference(family, opened):
    model, embedding = opened(family)
    box = (30.0, 100.0, 90.0, 220.0)
    asked = [prompt([CLICK])]
    wanted = [family.pads[0]]
    if family.boxes:
        asked += [prompt(box=box), prompt([CLICK], box=box)]
        wanted += family.pads[1:]
    for one, padding in zip(asked, wanted, strict=True):
        answer = model.decode(embedding, [one])
        assert count_padding(family, answer) == [padding] * len(family.decoder.scores)


@select(clicks=True)
def test_clicks_are_scaled_as_the_references_scale_them(family, opened, monkeypatch):
    """(x, y), multiplied by new over old and nothing else; graphs add the half pixel."""
    model, embedding = opened(family)
    fed = []
    run = model._decoder.run
    monkeypatch.setattr(model._decoder, "run", lambda *args: fed.append(args[0]) or run(*args))
    model.decode(embedding, [prompt([CLICK])])
    side = family.decoder.side
    if family.decoder.points_in_size:  # in pixels of the size that is stated beside
        side = fed[0][family.decoder.size][0]
    rows, columns = (side, side) if family.squash else (side * 0.75, side)
    point = fed[0][family.decoder.points].reshape(-1, 2)[0]
    np.testing.assert_allclose(point, [40 * columns / 256, 70 * rows / 192], rtol=1e-6)


@select(clicks=True)
def test_a_batch_answers_as_a_loop_does_in_the_order_asked(family, opened):
    model, embedding = opened(family)
    asked = [prompt([(50, 50)]), prompt([(20, 30), (40, 60)]), prompt([(120, 200)])]
    if family.boxes:
        asked += [prompt(box=(5, 5, 50, 60)), prompt([(30, 30)], box=(5, 5, 50, 60))]
    asked += [prompt([(150, 40)])]
    together = model.decode(embedding, asked)
    for position, one in enumerate(asked):
        alone = model.decode(embedding, [one])
        np.testing.assert_allclose(together.logits[position], alone.logits[0], atol=1e-3)
        np.testing.assert_allclose(together.windows[position], alone.windows[0])
        assert together.best[position] == alone.best[0]
    assert model.takes_batches == family.batch


@select(clicks=True)
def test_runs_per_batch_are_few_where_the_graph_can(family, opened, monkeypatch):
    model, embedding = opened(family)
    runs = []
    run = model._decoder.run
    monkeypatch.setattr(model._decoder, "run", lambda *args: runs.append(1) or run(*args))
    model.decode(embedding, [prompt([(10 + i, 20)]) for i in range(9)])
    assert len(runs) == (1 if family.batch else 9)


@select(refines=True)
def test_an_earlier_answer_is_refined(family, opened):
    model, embedding = opened(family)
    first = model.decode(embedding, [prompt([CLICK])])
    other = model.decode(embedding, [prompt([(150.0, 200.0)])])
    masks = [first.mask(0, 0), other.mask(0, 0)]
    points = [(20.0, 30.0), (150.0, 60.0)]
    plain = model.decode(embedding, [prompt([point]) for point in points])
    asked = [prompt([p], mask=m) for p, m in zip(points, masks, strict=True)]
    refined = model.decode(embedding, asked)
    for row, mask in enumerate(masks):  # the small decoders add the earlier logits
        np.testing.assert_allclose(
            refined.logits[row, 0], plain.logits[row, 0] + mask.logits, atol=1e-3
        )
    assert refined.best.tolist() == [family.best[1]] * 2


@select(refines=True)
def test_a_mask_from_another_window_is_moved_to_its_place(family, opened):
    model, embedding = opened(family)
    window = np.array([40, 60, 120, 140], np.float32)
    inside = LowResMask(np.full((16, 16), 8, np.float32), window)
    point = [(80.0, 100.0)]
    plain = model.decode(embedding, [prompt(point)])
    moved = model.decode(embedding, [prompt(point, mask=inside)])
    added = LowResMask(moved.logits[0, 0] - plain.logits[0, 0], moved.windows[0])
    wanted = np.zeros(SHAPE, bool)
    wanted[40:120, 60:140] = True
    assert iou(paint(added), wanted) > 0.8


@select(refines=False, clicks=True)
def test_a_mask_is_a_hint_where_the_decoder_takes_none(family, opened):
    model, embedding = opened(family)
    mask = LowResMask(np.full((16, 16), 8, np.float32), np.array([0, 0, 90, 90], np.float32))
    plain = model.decode(embedding, [prompt([CLICK])])
    hinted = model.decode(embedding, [prompt([CLICK], mask=mask)])
    np.testing.assert_array_equal(plain.logits, hinted.logits)
    assert not model.takes_masks
    with pytest.raises(PromptError, match="refines no masks; add a point or a box"):
        model.decode(embedding, [prompt(mask=mask)])


@select(boxes=False)
def test_a_box_is_refused_where_there_is_none(family, opened):
    model, embedding = opened(family)
    with pytest.raises(PromptError, match="takes no boxes; click on the object"):
        model.decode(embedding, [prompt(box=(5, 5, 50, 50))])


@select(clicks=False)
def test_a_click_is_refused_where_there_is_none(family, opened):
    model, embedding = opened(family)
    with pytest.raises(PromptError, match="takes boxes only"):
        model.decode(embedding, [prompt([CLICK])])


@select(negatives=False)
def test_a_background_click_is_refused_where_it_means_nothing(family, opened):
    model, embedding = opened(family)
    with pytest.raises(PromptError, match="knows no background clicks"):
        model.decode(embedding, [prompt([CLICK, (9, 9)], [1, 0])])


def test_a_point_too_many_is_refused_and_not_dropped(opened):
    family = next(family for family in FAMILIES if family.contract.endswith("H"))
    model, embedding = opened(family)
    six = [(10.0 * i, 20.0) for i in range(1, 7)]
    last = model.decode(embedding, [prompt(six)])
    assert paint(last.mask(0, 0))[60, 20]
    with pytest.raises(PromptError, match=r"reads 6 points at most.*remove 1 of them"):
        model.decode(embedding, [prompt([*six, (90.0, 90.0)])])


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 2), (90, 70), (700, 500)], ids=str)
@select()
def test_planes_of_any_shape(family, shape, opened):
    model, _ = opened(family)
    plane = np.full((*shape, 3), 120, np.uint8)
    embedding = model.encode(plane)
    if family.clicks:
        asked = prompt([(shape[0] // 2, shape[1] // 2)], shape=shape)
    else:
        asked = prompt(box=(-0.5, -0.5, *(np.array(shape) - 0.5)), shape=shape)
    answer = model.decode(embedding, [asked])
    if min(shape) > 50:  # in thin planes the disc may end before the pixel's centre
        assert paint(answer.mask(0, 0), shape)[shape[0] // 2, shape[1] // 2]
    assert np.isfinite(answer.logits).all()
    y0, x0, y1, x1 = answer.windows[0]
    assert (y0, x0) == (0, 0)
    assert y1 >= shape[0] * 0.99 and x1 >= shape[1] * 0.99


def test_portrait_planes_land_where_landscape_ones_do(opened):
    """What files with a crop for landscape pictures baked in get wrong."""
    model, _ = opened(FAMILIES[0])
    embedding = model.encode(make_plane((256, 192)))
    answer = model.decode(embedding, [prompt([(90.0, 40.0)], shape=(256, 192))])
    wanted = draw_disc(FAMILIES[0], (90.0, 40.0), 36, (256, 192))
    assert iou(paint(answer.mask(0, 2), (256, 192)), wanted) > 0.85


def test_layers_of_an_encoder_are_stacked_in_their_order(opened):
    family = next(family for family in FAMILIES if family.contract.endswith("F"))
    _, embedding = opened(family)
    stacked = embedding.tensors["interm_embeddings"]
    assert stacked.shape == (4, 1, 8, 8, 5)
    assert stacked[:, 0, 0, 0, 0].tolist() == [0, 1, 2, 3]


def test_channels_can_be_reversed_by_a_card(pair_of):
    model = load_model(pair_of(FAMILIES[0]), threads=1, overrides={"channels": "BGR"})
    seen = model.encode(make_plane()).tensors["image_embeddings"][0, :3, 0, 0]
    np.testing.assert_allclose(seen, (COLOURS[0, 0, ::-1] - np.array(MEAN)) / STD, atol=0.02)


def test_another_models_embedding_is_refused(opened):
    model, embedding = opened(FAMILIES[0])
    other, _ = opened(FAMILIES[1])
    assert model.id != other.id
    with pytest.raises(ModelError, match="encode the plane again"):
        other.decode(embedding, [prompt([CLICK])])


@pytest.mark.parametrize(
    "image",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)],
    ids=["gray", "float", "empty"],
)
def test_a_picture_that_is_no_plane_is_refused(image, opened):
    model, _ = opened(FAMILIES[0])
    with pytest.raises(ModelError, match=r"\(H, W, 3\) uint8"):
        model.encode(image)


def test_no_prompts_are_refused(opened):
    model, embedding = opened(FAMILIES[0])
    with pytest.raises(ModelError, match="no prompts"):
        model.decode(embedding, [])


def test_many_prompts_are_answered_from_several_threads(opened):
    model, embedding = opened(FAMILIES[0])
    asked = [prompt([(10 + i, 20 + i)]) for i in range(100)]
    once = model.decode(embedding, asked)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: model.decode(embedding, asked), range(4)))
    for answer in answers:
        np.testing.assert_array_equal(answer.logits, once.logits)


def test_a_closed_model_says_so(pair_of):
    model = load_model(pair_of(FAMILIES[0]), threads=1)
    model.warm_up()
    model.close()
    with pytest.raises(ModelError, match="was closed; load it again"):
        model.encode(make_plane())


def test_candidates_are_chosen_by_raw_scores():
    scores = np.array([[2.0, 1.0, 1.1, 1.05]], np.float32)
    logits = np.zeros((1, 4, 2, 2), np.float32)
    one, two = prompt([CLICK]), prompt([CLICK, CLICK])
    assert choose_candidates(logits, scores, [one], "token") == [2]
    assert choose_candidates(logits, scores, [two], "token") == [0]
    assert choose_candidates(logits, scores, [prompt(box=(1, 1, 9, 9))], "token") == [0]
    assert choose_candidates(logits, scores, [two], "iou") == [0]
    assert choose_candidates(logits[:, :3], scores[:, 1:], [two], "token") == [1]


def test_stability_is_the_ratio_of_two_areas():
    logits = np.array([[[[0.5, 2.0], [2.0, -3.0]], [[2.0, 2.0], [-3.0, -3.0]]]], np.float32)
    scores = np.array([[0.9, 0.1]], np.float32)
    assert choose_candidates(logits, scores, [prompt([CLICK])], "stability") == [1]


def test_the_encoder_of_the_embedded_model_keeps_memory_of_small_planes_alone(monkeypatch):
    from napari_sam_onnx import load_model

    model = load_model("pebble")
    released: list[tuple[tuple[int, ...], bool]] = []
    encoder = model._encoder
    run = encoder.run

    def watch(feeds, outputs=None, *, release=False):
        released.append((next(iter(feeds.values())).shape[:2], release))
        return run(feeds, outputs, release=release)

    monkeypatch.setattr(encoder, "run", watch)
    small = model.encode(np.zeros((64, 64, 3), np.uint8))
    assert released == [((128, 128), False)]
    assert all(tensor.base is None for tensor in small.tensors.values())
    model.encode(np.zeros((64, 1088, 3), np.uint8))
    assert released[1:] == [((64, 1088), True), ((32, 32), True)]
    decoded: list[bool] = []
    twin, lanes = model.split()
    decoders = {id(each): each for each in (model._decoder, twin._decoder)}
    for decoder in decoders.values():
        answer = decoder.run

        def look(feeds, outputs=None, *, release=False, answer=answer):
            decoded.append(release)
            return answer(feeds, outputs, release=release)

        monkeypatch.setattr(decoder, "run", look)
    model.rest()
    assert released[3:] == [((32, 32), True)]
    assert decoded == [True] * len(decoders) and len(decoders) == min(lanes, 2)
    model.close()
