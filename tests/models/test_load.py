"""From an id, a card or files to a model, or to one sentence that says why not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import pytest

from napari_sam_onnx.models import ModelCard, ModelError, load_model
from napari_sam_onnx.models.store import fingerprint, integrity
from napari_sam_onnx.models.store.cards import ModelFile
from napari_sam_onnx.prompts import make_prompts
from tests.models.families import E12, FAMILIES, I
from tests.models.onnx_graph import Graph


def test_the_embedded_model_is_the_default():
    model = load_model()
    assert model.name == "pebble"
    assert model.id.startswith("pebble@")


def test_files_are_told_apart_in_any_order(tiny_sam_pair):
    encoder, decoder = tiny_sam_pair
    usual, swapped = load_model((encoder, decoder)), load_model([str(decoder), str(encoder)])
    image = np.random.default_rng(0).integers(0, 255, (50, 60, 3), np.uint8)
    prompts = [make_prompts([(20, 20)], plane_shape=(50, 60))]
    answers = [model.decode(model.encode(image), prompts) for model in (usual, swapped)]
    np.testing.assert_array_equal(answers[0].logits, answers[1].logits)


def test_one_file_that_is_both_is_a_path_or_text(pair_of):
    (path,) = pair_of(next(f for f in FAMILIES if f.encoder is None))
    for source in (path, str(path), [path]):
        assert load_model(source, threads=1).contract.decoder.name == "Hc"


def test_a_card_names_the_model_and_overrides_its_contract(tiny_sam_pair):
    files = tuple(
        ModelFile(role, path.name, path=path)
        for role, path in zip(("encoder", "decoder"), tiny_sam_pair, strict=True)
    )
    card = ModelCard(
        "mine",
        "Mine",
        "SAM",
        files,
        overrides=MappingProxyType({"channels": "BGR", "decoder": {"pad": "never"}}),
    )
    model = load_model(card, threads=1)
    assert model.id.startswith("mine@")
    assert model.contract.encoder.channels == "BGR"
    assert model.contract.decoder.pad == "never"
    again = load_model(card, threads=1, overrides={"channels": "RGB"})
    assert again.contract.encoder.channels == "RGB"


def test_ids_follow_the_weights_and_how_they_are_fed(tiny_sam_pair, tmp_path):
    encoder, decoder = tiny_sam_pair
    copied = [shutil.copy(path, tmp_path) for path in tiny_sam_pair]
    ids = load_model((encoder, decoder)).id, load_model(copied).id
    assert ids[0] == ids[1]
    reversed_colours = load_model(copied, overrides={"channels": "BGR"}).id
    model = onnx.load(copied[0])
    model.graph.initializer[0].raw_data = bytes(model.graph.initializer[0].raw_data[::-1])
    model.doc_string = "other weights"
    onnx.save(model, copied[0])
    assert len({ids[0], reversed_colours, load_model(copied).id}) == 3


def test_external_weights_are_part_of_the_id_and_run_in_batches(tiny_sam_pair, tmp_path):
    encoder, decoder = tiny_sam_pair
    place = tmp_path / "decoder.onnx"
    onnx.save(
        onnx.load(decoder),
        str(place),
        save_as_external_data=True,
        location="decoder.onnx_data",
        size_threshold=100,
    )
    model = load_model((encoder, place), threads=1)
    assert model.takes_batches
    data = tmp_path / "decoder.onnx_data"
    data.write_bytes(data.read_bytes() + b"\0")
    assert load_model((encoder, place), threads=1).id != model.id


def test_the_id_follows_the_content_not_the_date_nor_the_place(tiny_sam_pair, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    ids = []
    for folder in (first, second):
        folder.mkdir()
        pair = [Path(shutil.copy(path, folder)) for path in tiny_sam_pair]
        os.utime(pair[0], (1, 1 + len(ids)))
        ids.append(load_model(pair, threads=1).id)
    assert ids[0] == ids[1]

    status = pair[1].stat()
    content = onnx.load(pair[1])
    content.graph.name = "x" * len(content.graph.name)  # another content of one size and date
    onnx.save(content, pair[1])
    assert pair[1].stat().st_size == status.st_size
    os.utime(pair[1], ns=(status.st_atime_ns, status.st_mtime_ns))
    assert load_model(pair, threads=1).id != ids[0]


def test_large_files_are_hashed_once_for_all_processes(tiny_sam_pair, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(fingerprint, "_QUICK", 1)
    pair = [Path(shutil.copy(path, tmp_path)) for path in tiny_sam_pair]
    model_id = load_model(pair, threads=1).id
    monkeypatch.setattr(integrity, "_session", {})  # as another process starts
    monkeypatch.setattr(integrity, "hash_file", lambda path: pytest.fail(f"hashed {path} again"))
    assert load_model(pair, threads=1).id == model_id


# ---- refusals -----------------------------------------------------------------------------


def test_an_unknown_id_is_refused():
    with pytest.raises(ModelError, match="no model called 'pebbel'; did you mean pebble"):
        load_model("pebbel")


def test_a_model_that_is_not_here_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path))
    with pytest.raises(ModelError, match="download"):
        load_model("mobilesam")


def test_a_missing_file_is_named(tiny_sam_pair, tmp_path):
    with pytest.raises(ModelError, match=r"no file '.*gone\.onnx'; check the path"):
        load_model((tmp_path / "gone.onnx", tiny_sam_pair[1]))


def test_a_damaged_file_is_named(tiny_sam_pair, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(tiny_sam_pair[0].read_bytes()[:900])
    with pytest.raises(ModelError, match=r"broken\.onnx is not an ONNX file .* or is damaged"):
        load_model((broken, tiny_sam_pair[1]))


def test_a_graph_that_is_no_sam_is_refused(tiny_sam_pair, tmp_path):
    graph = Graph()
    tokens = graph.take("tokens", (1, 77))
    graph.give(graph.add("Relu", tokens), "text", (1, 77))
    other = graph.save(tmp_path / "text.onnx")
    with pytest.raises(ModelError, match=r"no SAM encoder .* takes tokens float32 \[1, 77\]"):
        load_model((other, tiny_sam_pair[1]))
    with pytest.raises(ModelError, match=r"no SAM decoder .* takes tokens"):
        load_model(other)
    with pytest.raises(ModelError, match="no SAM decoder that is known"):
        load_model((tiny_sam_pair[0], other))


def test_two_of_a_kind_are_refused(tiny_sam_pair):
    encoder, decoder = tiny_sam_pair
    with pytest.raises(ModelError, match=r"are both decoders; give the encoder and the decoder"):
        load_model((decoder, decoder))
    with pytest.raises(ModelError, match=r"are both encoders; give the encoder and the decoder"):
        load_model((encoder, encoder))
    with pytest.raises(ModelError, match="got 3 files"):
        load_model((encoder, decoder, decoder))
    with pytest.raises(ModelError, match="give its encoder and its decoder"):
        load_model(decoder)


def test_files_of_two_models_are_refused_and_closed(tiny_sam_pair, build_pair, monkeypatch):
    closed = []
    monkeypatch.setattr(
        "napari_sam_onnx.models.onnx.sessions.runtime.Session.close",
        lambda self: closed.append(self.path),
    )
    _, other = build_pair(E12, I)
    with pytest.raises(ModelError, match="do not fit: the decoder needs high_res_feats_0"):
        load_model((tiny_sam_pair[0], other))
    assert set(closed) == {tiny_sam_pair[0], other}


def test_a_card_without_graphs_is_refused(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("no model")
    card = ModelCard("empty", "Empty", "SAM", (ModelFile("notes", "notes.txt", path=notes),))
    with pytest.raises(ModelError, match="card of empty names no encoder and no decoder"):
        load_model(card)
