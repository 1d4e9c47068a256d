from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.masks.mask import Mask, measure_iou
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.cards import ModelCard, ModelFile
from napari_sam_onnx.models.text.load_text import TextModel, load_text_model
from napari_sam_onnx.prompts import PromptError
from tests.models.sam3_files import Sam3Plan, build_sam3, token_of, write_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

PLANS = {
    "samexporter": Sam3Plan(),
    "samexporter, float image": Sam3Plan(image_dtype="float32"),
    "samexporter, raw outputs": Sam3Plan(masks="logits", slots=3),
    "osam": Sam3Plan(masks="probabilities"),
    "usls": Sam3Plan("Nu", masks="logits", slots="boxes"),
    "usls in four files": Sam3Plan("Nu4", masks="logits"),
    "EfficientSAM3": Sam3Plan("Ne", masks="logits", slots="boxes"),
}
PLANE = (96, 144)
LEFT, RIGHT = (slice(16, 48), slice(18, 54)), (slice(40, 80), slice(90, 126))
RED = (slice(60, 84), slice(24, 60))


@pytest.fixture(scope="module")
def files_of(tmp_path_factory):
    built: dict[Sam3Plan, tuple[Path, ...]] = {}

    def find(plan: Sam3Plan) -> tuple[Path, ...]:
        if plan not in built:
            built[plan] = build_sam3(tmp_path_factory.mktemp("sam3"), plan)
        return built[plan]

    return find


@pytest.fixture(scope="module")
def model_of(files_of):
    opened = {}

    def find(plan: Sam3Plan):
        if plan not in opened:
            opened[plan] = load_text_model(files_of(plan), provider="cpu", threads=1)
        return opened[plan]

    yield find
    for model in opened.values():
        model.close()


@pytest.fixture(scope="module")
def picture():
    """Two green rectangles, left and right, and a red one."""
    rgb = np.zeros((*PLANE, 3), np.uint8)
    for part in (LEFT, RIGHT):
        rgb[(*part, 1)] = 255
    rgb[(*RED, 0)] = 255
    return rgb


def _mask(*parts) -> Mask:
    plane = np.zeros(PLANE, bool)
    for part in parts:
        plane[part] = True
    return Mask.from_array(plane)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_word_finds_its_objects_where_they_are(plan, model_of, picture):
    model = model_of(plan)

    masks = model.segment_text(picture, "green", threshold=0.2)

    truths = [_mask(RIGHT), _mask(LEFT), _mask(LEFT, RIGHT)]
    assert [round(mask.score, 3) for mask in masks] == [0.9, 0.6, 0.3]
    for mask, truth in zip(masks, truths, strict=True):
        assert mask.shape == PLANE
        assert mask.bbox == truth.bbox
        assert measure_iou(mask, truth) > 0.97


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_another_word_finds_something_else(plan, model_of, picture):
    masks = model_of(plan).segment_text(picture, "  RED ", threshold=0.2)

    assert measure_iou(masks[-1], _mask(RED)) > 0.95
    assert model_of(plan).segment_text(picture, "blue", threshold=0.0) == []


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_two_words_are_not_one(plan, model_of, picture):
    """The files of these tests answer with score 0 to any tokens but mark, word, mark, padding."""
    assert model_of(plan).segment_text(picture, "red green", threshold=0.1) == []


def test_scores_at_or_below_the_threshold_are_left_out(model_of, picture):
    model = model_of(PLANS["samexporter"])

    assert len(model.segment_text(picture, "green")) == 2
    assert [mask.score for mask in model.segment_text(picture, "green", threshold=0.6)] == [
        pytest.approx(0.9)
    ]


def test_presence_scales_scores(model_of, picture):
    plan = Sam3Plan("Nu", masks="logits", slots="boxes", presence=0.0)

    masks = model_of(plan).segment_text(picture, "green", threshold=0.1)

    assert [round(mask.score, 3) for mask in masks] == [0.45, 0.3, 0.15]


@pytest.mark.parametrize("name", ["samexporter", "samexporter, raw outputs", "osam", "usls"])
def test_box_is_an_example(name, model_of, picture):
    """The decoder of these tests shows only what lies in the box; its edges must fall there."""
    model = model_of(PLANS[name])
    embedding = model.encode(picture)
    wide = (23.5, 29.5, 39.5, 143.5)  # cells of 4 × 6 px: rows 24…39, columns 30…143

    masks = model.find(embedding, "green", boxes=[wide], threshold=0.2)

    assert masks[1].bbox == (24, 30, 40, 54)
    assert measure_iou(masks[1], _mask((slice(24, 40), slice(30, 54)))) > 0.95


@pytest.mark.parametrize("name", ["samexporter, raw outputs", "usls"])
def test_negative_box_says_what_is_not_wanted(name, model_of, picture):
    model = model_of(PLANS[name])
    around_right = (-0.5, 83.5, 95.5, 143.5)
    everywhere = (-0.5, -0.5, 95.5, 143.5)

    masks = model.find(
        model.encode(picture),
        "green",
        boxes=[everywhere, around_right],
        box_labels=[1, 0],
        threshold=0.2,
    )

    assert [round(mask.score, 1) for mask in masks] == [0.6, 0.3]
    assert all(mask.bbox == _mask(LEFT).bbox for mask in masks)


def test_box_alone_is_asked_with_sam3s_own_word(model_of, picture, monkeypatch):
    model = model_of(PLANS["osam"])
    asked = []
    encode = model._tokenizer.encode

    def spy(text, *args, **kwargs):
        asked.append(text)
        return encode(text, *args, **kwargs)

    monkeypatch.setattr(model._tokenizer, "encode", spy)
    model.find(model.encode(picture), None, boxes=[(10, 10, 50, 60)])

    assert asked == ["visual"]


def test_large_planes_are_not_asked_for_at_full_size(model_of):
    """Two hundred boolean planes of a large picture would fill the memory."""
    model = model_of(PLANS["samexporter"])
    rgb = np.zeros((1200, 2016, 3), np.uint8)
    rgb[300:600, 252:756, 1] = 255

    sizes = []
    run = model._decoder.run

    def spy(feeds, *args):
        sizes.append((int(feeds["original_height"]), int(feeds["original_width"])))
        return run(feeds, *args)

    model._decoder.run = spy
    try:
        masks = model.segment_text(rgb, "green")
    finally:
        del model._decoder.run

    assert sizes == [(600, 1008)]
    truth = np.zeros((1200, 2016), bool)
    truth[300:600, 252:756] = True
    found = masks[-1]
    assert found.shape == (1200, 2016)
    assert measure_iou(found, Mask.from_array(truth)) > 0.95


def test_same_plane_and_same_text_are_encoded_once(model_of, picture):
    model = model_of(Sam3Plan(masks="logits", slots=2))
    runs = {"plane": 0, "text": 0}
    store = EmbeddingCache()

    def count(session, key):
        run = session.run

        def spy(*args, **options):
            runs[key] += 1
            return run(*args, **options)

        session.run = spy

    count(model._encoder, "plane")
    count(model._language, "text")
    other = picture[::-1].copy()
    for rgb, text in [(picture, "red"), (picture, "green"), (other, "green"), (other, "red")]:
        model.find(encode_through(rgb, model, store), text)

    assert runs == {"plane": 2, "text": 2}


def test_only_masks_with_logits_have_stability(model_of, picture):
    with_logits = model_of(PLANS["osam"]).segment_text(picture, "green")
    without = model_of(PLANS["samexporter"]).segment_text(picture, "green")

    assert all(0 < mask.stability <= 1 and mask.low_res is not None for mask in with_logits)
    assert all(np.isnan(mask.stability) and mask.low_res is None for mask in without)


def test_files_come_in_any_order(files_of, picture):
    encoder, language, decoder = files_of(PLANS["osam"])
    tokenizer = encoder.with_name("tokenizer.json")

    model = load_text_model([tokenizer, decoder, encoder, language], provider="cpu")

    assert isinstance(model, TextModel)
    assert model.contract.name == "E18 + N"
    assert len(model.segment_text(picture, "green")) == 2
    model.close()
    with pytest.raises(ModelError, match="was closed; load it again"):
        model.segment_text(picture, "green")


def test_id_changes_with_the_weights(files_of):
    ids = {
        load_text_model(files_of(PLANS[name]), provider="cpu").id
        for name in ("osam", "osam", "usls")
    }
    assert len(ids) == 2


def test_card_names_the_files(files_of, picture):
    encoder, language, decoder = files_of(PLANS["osam"])
    files = [("encoder", encoder), ("language_encoder", language), ("decoder", decoder)]
    card = ModelCard(
        id="own-sam3",
        name="Own",
        family="SAM 3",
        files=tuple(ModelFile(role, path.name, path=path) for role, path in files),
    )

    assert load_text_model(card).id.startswith("own-sam3@")
    silent = replace(card, files=(card.files[0], card.files[2]))
    with pytest.raises(ModelError, match="own-sam3 reads no text"):
        load_text_model(silent)


@pytest.mark.parametrize(
    ("text", "boxes", "labels", "message"),
    [
        (None, None, None, "Write what to look for, such as nucleus, or draw a box"),
        ("   ", None, None, "The text is empty"),
        ("nucleus " * 5, None, None, "35 tokens and the model reads 30; shorten it"),
        ("green", [(0, 0, 9, 9)] * 2, None, r"takes 1 example box\(es\); remove 1"),
        ("green", [(0, 0, 9, 9)], [2], "1 boxes need 1 labels, each 1 or 0"),
        ("green", [(500, 500, 600, 600)], None, "has no area inside the picture"),
    ],
)
def test_bad_prompts_are_refused(text, boxes, labels, message, model_of, picture):
    model = model_of(PLANS["samexporter"])
    embedding = model.encode(picture)

    with pytest.raises(PromptError, match=message):
        model.find(embedding, text, boxes=boxes, box_labels=labels)


def test_four_files_of_usls_take_no_boxes(model_of, picture):
    model = model_of(PLANS["usls in four files"])

    with pytest.raises(PromptError, match=r"takes no example box\(es\); remove 1"):
        model.find(model.encode(picture), "green", boxes=[(0, 0, 9, 9)])


def test_foreign_embedding_is_refused(model_of, picture):
    embedding = model_of(PLANS["osam"]).encode(picture)

    with pytest.raises(ModelError, match="encode the plane again"):
        model_of(PLANS["usls"]).find(embedding, "green")


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (0, 8, 3)])
def test_no_rgb_is_refused(shape, model_of):
    with pytest.raises(ModelError, match=r"takes pictures of \(H, W, 3\) uint8"):
        model_of(PLANS["osam"]).encode(np.zeros(shape, np.uint8))


def test_values_that_are_no_numbers_are_refused(model_of, picture):
    with pytest.raises(ModelError, match="take the full precision files"):
        model_of(Sam3Plan(fails=True)).segment_text(picture, "green")


def test_missing_tokenizer_is_named(files_of, tmp_path):
    paths = [tmp_path / "deeper" / "still" / path.name for path in files_of(PLANS["osam"])]
    paths[0].parent.mkdir(parents=True)
    for path, source in zip(paths, files_of(PLANS["osam"]), strict=True):
        path.write_bytes(source.read_bytes())

    with pytest.raises(ModelError, match=r"needs the tokenizer\.json of CLIP"):
        load_text_model(paths, provider="cpu")
    write_tokenizer(paths[0].parent.parent / "tokenizer.json")
    load_text_model(paths, provider="cpu").close()


def test_files_of_two_exports_do_not_fit(files_of):
    osam, usls = files_of(PLANS["osam"]), files_of(PLANS["usls"])

    with pytest.raises(ModelError, match="does not give backbone_fpn_0"):
        load_text_model([usls[0], osam[1], osam[2]])
    with pytest.raises(ModelError, match=r"does not fit decoder\.onnx: it takes attention_mask"):
        load_text_model([osam[0], usls[1], osam[2]])
    with pytest.raises(ModelError, match="are both a SAM 3 decoder"):
        load_text_model([osam[0], usls[2], osam[2]])


def test_other_graphs_are_refused_by_what_they_take(files_of, tiny_sam_pair):
    osam = files_of(PLANS["osam"])

    with pytest.raises(ModelError, match=r"no SAM 3 decoder that is known: .*point_coords"):
        load_text_model([osam[0], osam[1], tiny_sam_pair[1]])
    with pytest.raises(ModelError, match="got 2 and 0"):
        load_text_model(tiny_sam_pair)


def test_damaged_and_missing_files_are_named(files_of, tmp_path):
    osam = files_of(PLANS["osam"])
    damaged = tmp_path / "encoder.onnx"
    damaged.write_bytes(b"not a graph")

    with pytest.raises(ModelError, match=r"encoder\.onnx is not an ONNX file"):
        load_text_model([damaged, *osam[1:]])
    with pytest.raises(ModelError, match="There is no file"):
        load_text_model([tmp_path / "none.onnx", *osam[1:]])


def test_tokens_of_a_word(files_of):
    """What the language encoder is fed, for the record of the two paddings."""
    path = files_of(PLANS["osam"])[0].with_name("tokenizer.json")
    start, end, word = (
        token_of(path, piece) for piece in ("<|startoftext|>", "<|endoftext|>", "red</w>")
    )
    from napari_sam_onnx.models.text.tokens import CLIP, TextTokenizer

    tokens = TextTokenizer(path, CLIP).encode("Red", 32, length=32)

    assert tokens.ids.tolist() == [[start, word, end] + [0] * 29]
    assert tokens.mask.tolist() == [[1] * 3 + [0] * 29]
    assert tokens.ids.dtype == np.int64


def test_the_language_encoder_may_come_from_another_export(files_of, picture, tmp_path):
    """LiteText: SAM 3's vision and decoder, and a lighter language encoder."""
    encoder, _, decoder = files_of(PLANS["usls"])
    _, lighter, _ = build_sam3(tmp_path, PLANS["usls"])
    model = load_text_model((encoder, lighter, decoder), provider="cpu", threads=1)
    assert model.contract.name == "E19 + Nu"
    found = model.segment_text(picture, "red")
    assert measure_iou(found[0], _mask(RED)) > 0.8
    model.close()


def test_a_language_encoder_of_another_length_does_not_fit(files_of):
    encoder, _, decoder = files_of(PLANS["usls in four files"])
    _, short, _ = files_of(PLANS["EfficientSAM3"])
    with pytest.raises(ModelError, match="no SAM 3 decoder that is known"):
        load_text_model((encoder, short, decoder))


def test_more_than_sixteen_tokens_are_refused_by_the_short_one(model_of, picture):
    model = model_of(PLANS["EfficientSAM3"])
    with pytest.raises(PromptError, match="reads 14"):
        model.segment_text(picture, "red " * 15)
