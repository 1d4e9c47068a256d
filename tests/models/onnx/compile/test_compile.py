"""Compiled decoders answer as those that they were made from, or are not used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import onnx
import pytest

from napari_sam_onnx.automatic import generate_masks
from napari_sam_onnx.masks.mask import measure_iou
from napari_sam_onnx.masks.upscale import mask_from_low_res
from napari_sam_onnx.models import load_model
from napari_sam_onnx.models.check import check_model
from napari_sam_onnx.models.onnx.compile import compiler, verify
from napari_sam_onnx.models.onnx.compile.compiler import compile_decoder
from napari_sam_onnx.models.onnx.compile.runner import CompiledDecoder
from napari_sam_onnx.models.onnx.contracts.detect import detect_contract
from napari_sam_onnx.models.onnx.sessions.runtime import Session
from napari_sam_onnx.models.store.speed import measure_speed
from napari_sam_onnx.prompts import make_prompts
from tests.models.onnx.compile.sam_decoder import CHANNELS, FRAME, SIDE, Plan, build_sam_decoder
from tests.models.onnx_graph import Graph

PLANE = (96, 128)
PLANS = {
    "as exported": Plan(),
    "open batch": Plan(batch="prompts"),
    "old exporter": Plan(opset=13, written_norm=True),
    "newer exporter": Plan(opset=18),
    "turned weights": Plan(gemm=True),
    "one mask": Plan(single=True),
}


def build_encoder(path, *, features=False):
    """Noise that depends on the picture, in the shapes that the decoder takes."""
    graph, random = Graph(), np.random.default_rng(3)
    picture = graph.take("x", (1, 3, FRAME, FRAME))

    def look(channels, cell):
        weight = random.standard_normal((channels, 3, cell, cell)) / cell
        return graph.add("Conv", picture, graph.constant(weight), strides=[cell, cell])

    shape = (1, CHANNELS, SIDE, SIDE)
    graph.give(look(CHANNELS, 16), "image_embed" if features else "image_embeddings", shape)
    if features:
        graph.give(look(4, 4), "high_res_feats_0", (1, 4, 4 * SIDE, 4 * SIDE))
        graph.give(look(8, 8), "high_res_feats_1", (1, 8, 2 * SIDE, 2 * SIDE))
    return graph.save(path)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def pair(tmp_path):
    def build(plan=Plan()):  # noqa: B008
        encoder = build_encoder(tmp_path / "encoder.onnx", features=plan.features)
        return encoder, build_sam_decoder(tmp_path / "decoder.onnx", plan)

    return build


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*PLANE, 3), dtype=np.uint8)


def prompts():
    click = make_prompts([(40, 50)], plane_shape=PLANE)
    return [
        click,
        make_prompts([(30, 90), (50, 20)], [1, 0], plane_shape=PLANE),
        make_prompts(box=(10, 20, 60, 90), plane_shape=PLANE),
        make_prompts([(70, 12)], plane_shape=PLANE),
        make_prompts([(33, 44)], box=(10, 20, 60, 90), plane_shape=PLANE),
    ]


def assert_alike(found, expected):
    np.testing.assert_allclose(found.predicted_iou, expected.predicted_iou, atol=1e-4)
    logits = np.asarray(expected.logits)
    np.testing.assert_allclose(np.asarray(found.logits), logits, atol=1e-4 * np.ptp(logits))
    assert found.logits.shape == logits.shape
    np.testing.assert_array_equal(found.best, expected.best)


@pytest.mark.parametrize("plan", [*PLANS.values(), Plan(features=True)], ids=[*PLANS, "SAM 2"])
def test_answers_are_those_of_the_original(pair, plan):
    files = pair(plan)
    compiled, original = load_model(files), load_model(files, compiled=False)
    assert "the decoder runs compiled: it answered random prompts as before" in compiled.findings
    assert compiled.takes_batches
    embedding = original.encode(picture())
    expected = original.decode(embedding, prompts())
    assert np.ptp(np.asarray(expected.logits)) > 1
    assert_alike(compiled.decode(compiled.encode(picture()), prompts()), expected)


def test_graphs_for_one_prompt_are_asked_one_by_one(pair):
    files = pair(Plan(one_prompt=True))
    original = load_model(files, compiled=False)
    expected = original.decode(original.encode(picture()), prompts())
    for finding in (": it answered random prompts as before", ""):  # compiled, then kept
        model = load_model(files)
        assert model.findings[-1] == f"the decoder runs compiled{finding}"
        assert not model.takes_batches
        assert_alike(model.decode(model.encode(picture()), prompts()), expected)


def test_earlier_masks_refine_as_in_the_original(pair):
    files = pair()
    answers = []
    for model in (load_model(files), load_model(files, compiled=False)):
        embedding = model.encode(picture())
        first = model.decode(embedding, prompts()[:1])
        again = make_prompts([(40, 50)], mask=first.mask(0, 1), plane_shape=PLANE)
        answers.append(model.decode(embedding, [again, *prompts()]))
        assert np.ptp(answers[-1].mask(0, 1).logits - first.mask(0, 1).logits) > 0.1
    assert_alike(*answers)


def test_masks_are_made_when_they_are_looked_at(pair):
    model = load_model(pair())
    answer = model.decode(model.encode(picture()), prompts())
    assert answer.logits.drawn == 0
    assert answer.mask(1, 2).logits.shape == (4 * SIDE, 4 * SIDE)
    assert answer.mask(1, 3).logits is not None
    assert answer.logits.drawn == 1


def test_timing_a_model_makes_its_masks_too(pair, monkeypatch):
    model, drawn = load_model(pair()), []
    draw = CompiledDecoder.draw

    def count(self, scores, prompt, part):
        drawn.append(prompt)
        return draw(self, scores, prompt, part)

    monkeypatch.setattr(CompiledDecoder, "draw", count)
    measure_speed(model)
    assert len(drawn) == 6
    drawn.clear()
    assert check_model(model).decode_seconds > 0
    assert len(drawn) >= 17  # one alone, and sixteen at once


def test_what_prompts_share_is_computed_once_per_picture(pair, monkeypatch):
    model = load_model(pair())
    runs = []
    run = Session.run

    def count(self, feeds, outputs=None, **options):
        if "image_embeddings" in feeds:
            runs.append(outputs)
        return run(self, feeds, outputs, **options)

    monkeypatch.setattr(Session, "run", count)
    embeddings = [model.encode(picture(seed)) for seed in range(2)]
    assert len(runs) == 2
    for _ in range(3):
        answers = [model.decode(embedding, prompts()[:2]) for embedding in embeddings]
    assert len(runs) == 2
    assert np.abs(answers[0].predicted_iou - answers[1].predicted_iou).max() > 1e-3
    third = model.encode(picture(2))  # the first is forgotten and made again
    assert_alike(model.decode(embeddings[0], prompts()[:2]), answers[0])
    assert len(runs) == 4
    assert third.nbytes


def leave_padding_out(answer, rows):
    return replace(answer, logits=np.asarray(answer.logits)[:, :, :rows])


def test_threads_that_ask_at_once_share_the_picture_and_get_the_same_answers(pair, monkeypatch):
    model = load_model(pair(), threads=2)
    embedding = model.encode(picture())
    expected = model.decode(embedding, prompts())
    twin, lanes = model.split()
    assert lanes == 2
    assert twin is not model
    assert model.split()[0] is twin
    pictures = []
    share = CompiledDecoder._share

    def count(self, given):
        before = len(self._kept)
        shared = share(self, given)
        pictures.append(len(self._kept) - before)
        return shared

    monkeypatch.setattr(CompiledDecoder, "_share", count)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: twin.decode(embedding, prompts()), range(4)))
    assert set(pictures) == {0}
    rows = 4 * SIDE * PLANE[0] // PLANE[1]  # of the masks that lie on the plane
    for answer in answers:
        assert_alike(leave_padding_out(answer, rows), leave_padding_out(expected, rows))
        assert np.asarray(answer.logits)[:, :, rows + 4 :].max() < -1000
        for prompt in range(len(prompts())):
            masks = [
                mask_from_low_res(given.mask(prompt, 1), PLANE) for given in (answer, expected)
            ]
            assert measure_iou(*masks) > 0.999
    assert load_model(pair(), threads=1).split()[1] == 1
    model.close()
    with pytest.raises(RuntimeError, match="closed"):
        twin.decode(embedding, prompts())


def test_a_grid_is_the_same_whether_graphs_are_asked_at_once_or_not(pair):
    masks = []
    for threads in (1, 2):
        model = load_model(pair(), threads=threads)
        settings = {"points_per_side": 5, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
        masks.append(generate_masks(picture(), model, "grid", box_nms_thresh=1.0, **settings))
    assert len(masks[0]) > 10
    for one, other in zip(*masks, strict=True):
        assert (one.bbox, one.point) == (other.bbox, other.point)
        assert measure_iou(one, other) > 0.999


def open_decoder(path):
    session = Session(path, provider="cpu")
    encoder = build_encoder(path.parent / "encoder.onnx")
    other = Session(encoder, provider="cpu")
    contract = detect_contract((other.inputs, other.outputs), (session.inputs, session.outputs))
    return session, contract.decoder


def test_what_was_compiled_is_kept(pair, home, monkeypatch):
    files = pair()
    expected = load_model(files).decode(load_model(files).encode(picture()), prompts())
    (folder,) = (home / "compiled").iterdir()
    assert sorted(file.name for file in folder.iterdir()) == [
        "masks.onnx",
        "picture.onnx",
        "tokens.onnx",
    ]

    def fail(*_):
        raise AssertionError("compiled twice")

    monkeypatch.setattr(compiler, "_write_graphs", fail)
    model = load_model(files)
    assert "the decoder runs compiled" in model.findings
    assert_alike(model.decode(model.encode(picture()), prompts()), expected)


def test_another_decoder_is_compiled_anew(pair, home):
    load_model(pair())
    load_model(pair(Plan(single=True)))
    assert len(list((home / "compiled").iterdir())) == 2


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("no folder")
    session, row = open_decoder(build_sam_decoder(tmp_path / "decoder.onnx"))
    compiled, _ = compile_decoder(session, row, tmp_path / "file" / "compiled")
    assert isinstance(compiled, CompiledDecoder)


def test_graphs_that_answer_differently_are_not_used(pair, home, monkeypatch):
    files = pair(Plan(activation="relu"))
    model = load_model(files)
    assert model.findings[-1] == (
        "the decoder runs as it is, some four times slower than compiled: the faster graphs "
        "would answer differently"
    )
    original = load_model(files, compiled=False)
    expected = original.decode(original.encode(picture()), prompts())
    assert_alike(model.decode(model.encode(picture()), prompts()), expected)
    monkeypatch.setattr(compiler, "verify", None)  # that it was tried is remembered
    assert load_model(files).findings[-1] == model.findings[-1]


def test_differences_beyond_the_tolerance_are_found(pair, monkeypatch):
    monkeypatch.setattr(verify, "TOLERANCE", 1e-9)
    assert "would answer differently" in load_model(pair()).findings[-1]


def change(path, edit):
    model = onnx.load(path)
    edit(model.graph)
    onnx.save(model, path)


def halve(graph):
    graph.initializer.append(onnx.helper.make_tensor("half", onnx.TensorProto.FLOAT16, [1], [1.0]))


def quantise(graph):
    tensor = graph.initializer[-1]
    values = onnx.numpy_helper.to_array(tensor)
    small = (values * 10).clip(-120, 120).astype(np.int8)
    scale = onnx.numpy_helper.from_array(np.float32(0.1), "scale")
    name = tensor.name
    tensor.CopyFrom(onnx.numpy_helper.from_array(small, f"{name} quantised"))
    graph.initializer.append(scale)
    inputs = [f"{name} quantised", "scale"]
    graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", inputs, [name]))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [(halve, "its weights are of half precision"), (quantise, "its weights are quantised")],
)
def test_other_precisions_run_as_they_are(pair, edit, reason):
    files = pair()
    change(files[1], edit)
    model = load_model(files)
    assert model.findings[-1].endswith(reason)
    assert np.isfinite(model.decode(model.encode(picture()), prompts()).predicted_iou).all()


def test_other_structures_run_as_they_are(pair):
    model = load_model(pair(Plan(attentions=6)))
    assert model.findings[-1].endswith("it has 6 attentions where SAM's decoder has 7")


def test_a_closed_model_says_so(pair):
    model = load_model(pair())
    embedding = model.encode(picture())
    model.close()
    with pytest.raises(RuntimeError, match="closed"):
        model.decode(embedding, prompts())
