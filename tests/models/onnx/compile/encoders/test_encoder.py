"""Encoders whose attentions are rewritten answer as before; others are run as they are."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from napari_sam_onnx.models import ModelError, load_model
from napari_sam_onnx.models.onnx.compile.encoders import encoder as encoders
from napari_sam_onnx.models.onnx.compile.encoders.apart import take_graph
from napari_sam_onnx.models.onnx.compile.encoders.encoder import fuse_encoder
from napari_sam_onnx.models.onnx.compile.encoders.flash import fuse_attention
from napari_sam_onnx.models.onnx.sessions.runtime import Session
from tests.models.onnx.compile.sam_decoder import CHANNELS, FRAME, SIDE, Plan, build_sam_decoder
from tests.models.onnx_graph import Graph

HEADS, CELL = 2, 16


def build_vit(path, *, side=(SIDE, SIDE), swapped=False, softer=False, read_twice=False):
    """One attention with relative positions, as SAM's encoders have twelve."""
    graph, random = Graph(), np.random.default_rng(3)
    (h, w), inner = side, CHANNELS // HEADS
    tokens = h * w
    picture = graph.take("x", (1, 3, CELL * h, CELL * w))
    weight = graph.constant(random.standard_normal((CHANNELS, 3, CELL, CELL)) / CELL)
    x = graph.add("Conv", picture, weight, strides=[CELL, CELL])
    x = graph.add("Transpose", graph.reshape(x, [1, CHANNELS, tokens]), perm=[0, 2, 1])
    qkv = random.standard_normal((CHANNELS, 3 * CHANNELS)) / CHANNELS
    x = graph.reshape(graph.add("MatMul", x, graph.constant(qkv)), [tokens, 3, HEADS, inner])
    x = graph.add("Transpose", x, perm=[1, 2, 0, 3])
    q, k, v = (graph.reshape(graph.part(x, 0, i, i + 1), [HEADS, tokens, inner]) for i in range(3))
    scores = graph.add("MatMul", q, graph.add("Transpose", k, perm=[0, 2, 1]))
    scores = graph.reshape(scores, [HEADS, h, w, h, w])
    placed = graph.reshape(q, [HEADS, h, w, inner])
    terms = []
    for equation, length, axis in (("bhwc,hkc->bhwk", h, 4), ("bhwc,wkc->bhwk", w, 3)):
        table = graph.constant(random.standard_normal((length, length, inner)))
        said = graph.add("Einsum", placed, table, equation=equation)
        terms.append(graph.add("Unsqueeze", said, graph.constant([axis], "int64")))
    for term in reversed(terms) if swapped else terms:
        scores = graph.add("Add", *((term, scores) if swapped else (scores, term)))
    scores = graph.reshape(scores, [HEADS, tokens, tokens])
    if softer:
        scores = graph.add("Mul", scores, graph.constant(0.5))
    taken = graph.add("Softmax", scores, axis=-1)
    x = graph.add("MatMul", taken, v)
    if read_twice:
        x = graph.add("Add", x, graph.over("ReduceMax", taken, 2, keep=True))
    x = graph.reshape(graph.add("Transpose", x, perm=[0, 2, 1]), [1, CHANNELS, h, w])
    graph.give(x, "image_embeddings", (1, CHANNELS, h, w))
    return graph.save(path)


@pytest.fixture(autouse=True)
def small_ones_too(monkeypatch, tmp_path):
    monkeypatch.setattr(encoders, "SMALLEST", 0)
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))


def noise(side=(SIDE, SIDE)):
    random = np.random.default_rng(0)
    return {"x": random.uniform(-2, 2, (1, 3, CELL * side[0], CELL * side[1])).astype(np.float32)}


def answer(path, side=(SIDE, SIDE), content=None):
    session = Session(path, provider="cpu", content=content)
    return session.run(noise(side))["image_embeddings"]


@pytest.mark.parametrize("side", [(8, 8), (5, 7)])
@pytest.mark.parametrize("swapped", [False, True])
def test_attention_answers_as_before(tmp_path, side, swapped):
    path = build_vit(tmp_path / "vit.onnx", side=side, swapped=swapped)
    content = fuse_encoder(path, lambda path: tmp_path / "kept", "cpu")
    kinds = [node.op_type for node in onnx.load_from_string(content).graph.node]
    assert "MultiHeadAttention" in kinds
    assert "Softmax" not in kinds
    before = answer(path, side)
    assert np.ptp(before) > 1
    np.testing.assert_allclose(answer(path, side, content), before, atol=1e-5)


def test_weights_stay_in_their_file(tmp_path):
    path = build_vit(tmp_path / "vit.onnx")
    content = take_graph(path)
    assert len(content) < path.stat().st_size / 2
    np.testing.assert_array_equal(answer(path, content=content), answer(path))
    apart = tmp_path / "apart.onnx"
    onnx.save(onnx.load(path), apart, save_as_external_data=True, location="weights.bin")
    np.testing.assert_array_equal(answer(apart, content=take_graph(apart)), answer(path))


@pytest.mark.parametrize("other", ["softer", "read_twice"])
def test_other_attentions_are_left_as_they_are(tmp_path, other):
    path = build_vit(tmp_path / "vit.onnx", **{other: True})
    model = onnx.load(path)
    assert fuse_attention(model) == ()
    assert model == onnx.load(path)
    kept = tmp_path / "kept"
    assert fuse_encoder(path, lambda path: kept, "cpu") is None
    assert [file.name for file in kept.rglob("*.txt")] == ["as_it_is.txt"]  # looked at once


def test_what_does_not_run_is_not_tried_again(tmp_path, monkeypatch):
    path, kept = build_vit(tmp_path / "vit.onnx"), tmp_path / "kept"

    def fail(*_):
        raise ModelError("It does not run here.")

    monkeypatch.setattr(encoders, "_run_once", fail)
    assert fuse_encoder(path, lambda path: kept, "cpu") is None
    assert [file.name for file in kept.rglob("*.txt")] == ["as_it_is.txt"]


def test_half_precision_is_left_as_it_is(tmp_path):
    model = onnx.load(build_vit(tmp_path / "vit.onnx"))
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    assert fuse_attention(model) == ()


def test_what_answers_differently_is_not_used(tmp_path, monkeypatch):
    path = build_vit(tmp_path / "vit.onnx")
    monkeypatch.setattr(encoders, "_NEAR", 0.0)
    run_once = encoders._run_once
    answers = iter([0.0, 0.1])
    monkeypatch.setattr(encoders, "_run_once", lambda *given: run_once(*given) + next(answers))
    assert fuse_encoder(path, lambda path: tmp_path / "kept", "cpu") is None


def test_a_model_is_opened_with_what_was_written(tmp_path, monkeypatch):
    pair = build_vit(tmp_path / "vit.onnx"), build_sam_decoder(tmp_path / "decoder.onnx", Plan())
    plane = np.random.default_rng(0).integers(0, 256, (FRAME, FRAME, 3), dtype=np.uint8)

    def encode(**options):
        model = load_model(pair, provider="cpu", **options)
        tensors = model.encode(plane).tensors
        model.close()
        return model.id, tensors["image_embeddings"]

    as_it_is, first = encode(compiled=False), encode()
    monkeypatch.setattr(encoders, "_write", lambda path: pytest.fail("it was written before"))
    second = encode()
    assert as_it_is[0] == first[0] == second[0]
    np.testing.assert_allclose(first[1], as_it_is[1], atol=1e-5)
    np.testing.assert_array_equal(second[1], first[1])


def test_links_are_followed_to_the_weights(tmp_path):
    (tmp_path / "blobs").mkdir()
    path = build_vit(tmp_path / "blobs" / "0815")
    link = tmp_path / "encoder.onnx"
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("no links here")
    model = load_model((link, build_sam_decoder(tmp_path / "decoder.onnx", Plan())), provider="cpu")
    plane = np.zeros((FRAME, FRAME, 3), np.uint8)
    assert np.isfinite(model.encode(plane).tensors["image_embeddings"]).all()
    assert len(list((tmp_path / "home" / "compiled").rglob("encoder.onnx"))) == 1
    model.close()


def test_damaged_files_are_refused_as_before(tmp_path):
    path = build_vit(tmp_path / "vit.onnx")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelError, match="damaged"):
        load_model(pair := (path, build_sam_decoder(tmp_path / "d.onnx", Plan())), provider="cpu")
    pair[0].write_bytes(b"no graph at all" * 100)
    with pytest.raises(ModelError, match="damaged"):
        load_model(pair, provider="cpu")
