"""Models that remember: graphs told apart, objects followed, corrected, hidden and found again."""

import json

import numpy as np
import pytest

import napari_sam_onnx as nso
from napari_sam_onnx.masks.upscale import mask_from_low_res
from napari_sam_onnx.models.model import MemorisingModel, Model, ModelError
from napari_sam_onnx.models.onnx.memory.memory_model import MemoryModel
from napari_sam_onnx.prompts import make_prompts
from tests.models.memory_files import build_memory_files

SHAPE = (96, 128)
RED, BLUE, GROUND = (200, 40, 40), (40, 60, 210), (90, 90, 90)


def draw(*discs):
    """A plane with discs, each ``(y, x, colour)``."""
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    plane = np.full((*SHAPE, 3), GROUND, np.uint8)
    for y, x, colour in discs:
        plane[(ys - y) ** 2 + (xs - x) ** 2 < 18**2] = colour
    return plane


def place_of(sighting):
    mask = np.asarray(mask_from_low_res(sighting.low_res, SHAPE))
    return np.argwhere(mask).mean(axis=0) if mask.any() else None


def click(y, x):
    return make_prompts([(y, x)], plane_shape=SHAPE)


@pytest.fixture(params=["V4", "V5"])
def layout(request):
    return request.param


@pytest.fixture
def model(layout, tmp_path):
    opened = nso.load_model(build_memory_files(tmp_path / "files", layout))
    yield opened
    opened.close()


def test_graphs_are_told_apart_in_any_order(layout, tmp_path):
    paths = build_memory_files(tmp_path, layout)
    first, second = nso.load_model(paths), nso.load_model(paths[::-1])
    assert isinstance(first, MemoryModel) and first.contract_name == layout
    assert isinstance(first, Model) and isinstance(first, MemorisingModel)
    assert not isinstance(nso.load_model("pebble"), MemorisingModel)
    assert first.id.partition("@")[2] == second.id.partition("@")[2]
    assert layout in first.description and "cpu" in first.runs_on
    first.close(), second.close()


def test_it_answers_prompts_like_any_model(model):
    segmenter = nso.Segmenter(model)
    segmenter.set_image(draw((40, 40, RED), (50, 100, BLUE)))
    mask = segmenter.segment(points=[(50, 100)])
    assert np.allclose(np.argwhere(np.asarray(mask)).mean(axis=0), (50, 100), atol=2)
    by_box = segmenter.segment(box=(22, 22, 58, 58))
    assert np.allclose(np.argwhere(np.asarray(by_box)).mean(axis=0), (40, 40), atol=2)


def test_two_objects_are_followed_on_one_encoding_of_each_plane(model):
    planes = [draw((40, 25 + 8 * n, RED), (60, 100 - 8 * n, BLUE)) for n in range(4)]
    embeddings = [model.encode(plane) for plane in planes]
    red, blue = model.start_track(4), model.start_track(4)
    red.point(0, embeddings[0], click(40, 25))
    blue.point(0, embeddings[0], click(60, 100))
    for n in (1, 2, 3):
        assert np.allclose(place_of(red.follow(n, embeddings[n])), (40, 25 + 8 * n), atol=3)
        assert np.allclose(place_of(blue.follow(n, embeddings[n])), (60, 100 - 8 * n), atol=3)


def test_an_object_that_changes_slowly_is_followed_by_what_was_seen_last(model):
    colours = [(200 - 8 * n, 40 + 8 * n, 40) for n in range(12)]
    track = model.start_track(12)
    track.point(0, model.encode(draw((40, 60, colours[0]))), click(40, 60))
    for n in range(1, 12):
        seen = track.follow(n, model.encode(draw((40, 60 + n, colours[n]))))
        assert seen.present and np.allclose(place_of(seen), (40, 60 + n), atol=3)
    alone = model.start_track(12)  # who has seen the first plane alone does not know the last
    alone.point(0, model.encode(draw((40, 60, colours[0]))), click(40, 60))
    assert not alone.follow(11, model.encode(draw((40, 71, colours[11])))).present


def test_an_object_that_hides_is_absent_and_found_again(model):
    track = model.start_track(5)
    track.point(0, model.encode(draw((40, 40, RED))), click(40, 40))
    hidden = track.follow(1, model.encode(draw((60, 90, BLUE))))
    assert not hidden.present and place_of(hidden) is None
    again = track.follow(2, model.encode(draw((70, 50, RED), (60, 90, BLUE))))
    assert again.present and np.allclose(place_of(again), (70, 50), atol=3)


def test_it_follows_both_ways(model):
    planes = {n: model.encode(draw((40, 30 + 10 * n, RED))) for n in range(5)}
    track = model.start_track(5)
    track.point(2, planes[2], click(40, 50))
    for n, back in ((3, False), (4, False), (1, True), (0, True)):
        seen = track.follow(n, planes[n], reverse=back)
        assert np.allclose(place_of(seen), (40, 30 + 10 * n), atol=3)


def test_a_correction_on_a_plane_that_was_reached_is_remembered(model):
    both = model.encode(draw((40, 40, RED), (60, 100, BLUE)))
    track = model.start_track(4)
    track.point(0, both, click(40, 40))
    assert np.allclose(place_of(track.follow(1, both)), (40, 40), atol=3)
    corrected = track.point(1, both, click(60, 100))
    assert np.allclose(place_of(corrected), (60, 100), atol=3)
    for n in (2, 3):
        track.follow(n, both)
    # two memories of one weight: none of the two colours any more, and no error
    assert track.follow(3, both).predicted_iou == pytest.approx(0.9)


def test_nobody_has_pointed(model):
    with pytest.raises(ModelError, match="Point at the object"):
        model.start_track(3).follow(1, model.encode(draw((40, 40, RED))))


def test_an_embedding_of_another_model_is_refused(model):
    pebble = nso.load_model("pebble")
    with pytest.raises(ModelError, match="encode the plane again"):
        model.decode(pebble.encode(draw((40, 40, RED))), [click(40, 40)])
    pebble.close()


def test_an_embedding_from_a_store_is_followed_by_a_model_that_encoded_nothing(layout, tmp_path):
    paths = build_memory_files(tmp_path, layout)
    first, second = nso.load_model(paths), nso.load_model(paths)
    planes = [first.encode(draw((40, 30 + 10 * n, RED))) for n in range(2)]
    track = second.start_track(2)
    track.point(0, planes[0], click(40, 30))
    assert np.allclose(place_of(track.follow(1, planes[1])), (40, 40), atol=3)
    first.close(), second.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("memory_temporal_positional_encoding", "lacks memory_temporal_positional_encoding"),
        ("no_memory_embedding", "no_memory_embedding of the checkpoint"),
        ("enable_temporal_pos_encoding_for_object_pointers", "how pointers carry their age"),
    ],
)
def test_numbers_that_are_in_no_file_are_named(tmp_path, name, says):
    with pytest.raises(ModelError, match=says):
        nso.load_model(build_memory_files(tmp_path, "V4", **{name: None}))


def test_numbers_may_lie_in_a_file_of_their_own(tmp_path):
    paths = build_memory_files(tmp_path, "V4", no_memory_embedding=None)
    more = tmp_path / "parameters.json"
    more.write_text(json.dumps({"parameters": {"no_memory_embedding": [0.0] * 8}}))
    nso.load_model([*paths, more]).close()


@pytest.mark.parametrize("text", ["[1]", "no json", '{"memory_temporal_positional_encoding": "x"}'])
def test_files_of_numbers_that_hold_something_else_are_refused(tmp_path, text):
    paths = build_memory_files(tmp_path)
    paths[-1].write_text(text)
    with pytest.raises(ModelError, match=r"constants\.json"):
        nso.load_model(paths)


def test_a_graph_that_is_missing_or_none_of_them_is_named(tmp_path, layout):
    paths = build_memory_files(tmp_path, layout)
    with pytest.raises(ModelError, match="also has a memory encoder"):
        nso.load_model([path for path in paths if path.stem != "memory_encoder"])
    with pytest.raises(ModelError, match="one of each"):
        nso.load_model([*paths[:4], paths[1]])
    if layout == "V5":
        with pytest.raises(ModelError, match="pointer_tpos"):
            nso.load_model([path for path in paths if path.stem != "pointer_tpos"])
    pebble = nso.models.store.files.locate(nso.models.store.catalog.find_card("pebble"))
    with pytest.raises(ModelError, match=r"decoder\.onnx is no part"):
        nso.load_model([*paths[:1], *paths[2:4], pebble["decoder"]])


def test_a_memory_of_one_length_is_filled_evenly():
    from napari_sam_onnx.models.onnx.memory.recall import _choose, _spread

    assert _spread(2, 7) == [0, 0, 0, 0, 1, 1, 1]
    tokens = np.zeros((1, 1), np.float16)
    full = [(0, tokens)] * 4 + [(away, tokens) for away in (6, 5, 4, 3, 2, 1)]
    assert _choose(full, 7) == [3, 4, 5, 6, 7, 8, 9]


def test_pointers_that_lie_ahead_do_not_count():
    from napari_sam_onnx.models.onnx.memory.bank import Bank, Memory

    bank = Bank(7, 16)
    for place in (2, 9):
        bank.keep_pointed(place, Memory(np.zeros((1, 1), np.float16), np.full(1, place)))
    bank.keep_followed(3, Memory(np.zeros((1, 1), np.float16), np.full(1, 3)))
    forwards, backwards = bank.recall(4, reverse=False), bank.recall(4, reverse=True)
    assert [age for age, _ in forwards.pointers] == [2, 1]
    assert [age for age, _ in backwards.pointers] == [5]
    assert [away for away, _ in forwards.spatial] == [0, 0, 1]


def test_tokens_of_planes_long_ago_are_forgotten(monkeypatch):
    from napari_sam_onnx.models.onnx.memory import bank as module

    monkeypatch.setattr(module, "KEPT", 10)
    bank = module.Bank(7, 16)
    memory = module.Memory(np.zeros((1, 1), np.float16), np.zeros(1))
    bank.keep_pointed(0, memory)
    for place in range(1, 40):
        bank.keep_followed(place, memory)
    kept = {place for place, entry in bank.followed.items() if entry.tokens is not None}
    assert kept == {1, 2, 3, 4, 5, 6, *range(30, 40)}
    assert len(bank.recall(40, reverse=False).spatial) == 7


def test_of_many_planes_that_were_pointed_at_the_nearest_count():
    from napari_sam_onnx.models.onnx.memory.bank import Bank, Memory

    bank = Bank(7, 16, most_pointed=3)
    for place in (0, 4, 9, 10, 30):
        bank.keep_pointed(place, Memory(np.full((1, 1), place, np.float16), np.zeros(2)))
    spatial = [(away, int(tokens[0, 0])) for away, tokens in bank.recall(12, reverse=False).spatial]
    # before, after, the next nearest; what is left counts as followed where it is near enough
    assert spatial == [(0, 10), (0, 30), (0, 9)]
    assert [age for age, _ in bank.recall(12, reverse=False).pointers] == [12, 8, 3, 2]
    spatial = [(away, int(tokens[0, 0])) for away, tokens in bank.recall(6, reverse=False).spatial]
    assert spatial == [(0, 4), (0, 9), (0, 10), (6, 0)]


def test_how_many_pointed_planes_count_is_read_from_the_files(tmp_path):
    opened = nso.load_model(build_memory_files(tmp_path / "a", "V4", max_cond_frame_num=4))
    assert opened.constants.most_pointed == 4
    opened.close()
    opened = nso.load_model(build_memory_files(tmp_path / "b", "V4", max_cond_frame_num=-1))
    assert opened.constants.most_pointed is None
    opened.close()
