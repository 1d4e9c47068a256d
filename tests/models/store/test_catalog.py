from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import napari_sam_onnx.models.store.catalog as catalog
from napari_sam_onnx.errors import Notice
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.contracts.detect import stated_fields
from napari_sam_onnx.models.onnx.contracts.families import DECODERS, ENCODERS
from napari_sam_onnx.models.store.card_toml import read_cards, write_card
from napari_sam_onnx.models.store.cards import ModelCard, ModelFile, describe_size
from napari_sam_onnx.models.store.catalog import find_card, list_models, read_catalogue
from napari_sam_onnx.models.store.places import mirror_url

SHA = "0123456789abcdef" * 4
GOOD = f"""
[[model]]
id = "lab-sam"
name = "The lab's SAM"
base = "https://example.org/files"
commercial_use = false
files = [
  {{ role = "encoder", file = "enc.onnx", sha256 = "{SHA}", size = 12 }},
  {{ role = "decoder", url = "https://example.org/other/dec.onnx?download=true" }},
]
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path))
    monkeypatch.delenv("NAPARI_SAM_ONNX_MODELS", raising=False)
    monkeypatch.delenv("NAPARI_SAM_ONNX_MIRROR", raising=False)
    (tmp_path / "cards").mkdir()
    return tmp_path


def test_embedded_model_comes_first_and_names_packaged_files():
    cards = list_models()
    assert cards[0].id == "pebble"
    assert cards[0].origin == "embedded"
    assert [card.id for card in cards if card.origin == "embedded"] == ["pebble"]
    package = Path(catalog.__file__).parents[1]
    assert {file.path for file in cards[0].files} == {
        package / "pebble/encoder.onnx",
        package / "pebble/decoder.onnx",
    }


def test_catalogue_is_complete_and_consistent():
    cards = list_models()
    assert len({card.id for card in cards}) == len(cards) >= 60
    families = {card.family for card in cards}
    assert {
        "MobileSAM",
        "EfficientSAM",
        "SlimSAM",
        "EdgeSAM",
        "EfficientViT-SAM",
        "SAM 1",
    } < families
    assert {"SAM-HQ", "SAM-Med2D", "SAM 2", "SAM 2.1", "SAM 3", "EdgeTAM", "NanoSAM"} < families
    for card in (card for card in cards if card.origin != "embedded"):
        roles = [file.role for file in card.files]
        alone = {"detector", "flows"} & set(roles)
        needed = alone or {"encoder", "decoder"}
        assert needed <= set(roles), card.id
        if {"detector", "language_encoder"} & set(roles):  # both read words
            assert "tokenizer" in roles, card.id
        assert card.contract and card.notes and card.hash_source and card.source, card.id
        assert card.licence != "unknown", card.id
        for file in card.files:
            address = file.archive.url if file.archive else file.url
            assert address is not None and address.startswith("https://"), card.id
            if file.role.endswith("_data"):
                assert file.role.removesuffix("_data") in roles, card.id
        # what says that nothing is stated may not hold a hash, and the other way round
        states_none = card.hash_source.startswith("no public source")
        assert (
            states_none
            != any(f.sha256 or f.md5 or (f.archive and f.archive.sha256) for f in card.files)
            or "once" in card.hash_source
        ), card.id


def test_equal_files_are_described_equally():
    """The same address must not have two sizes or hashes in the catalogue."""
    seen: dict[str, tuple[object, ...]] = {}
    for card in list_models():
        for file in card.files:
            if file.source is not None:
                facts = (file.size, file.sha256, file.md5)
                assert seen.setdefault(file.source, facts) == facts, file.source


def test_known_values_of_the_recommended_download():
    card = find_card("mobilesam")
    assert card.size == 28_157_093 + 16_496_559
    assert card.commercial_use is True
    assert card.hashed
    encoder = card.files[0]
    assert encoder.name == "mobile_sam_image_encoder.onnx"
    assert encoder.sha256 == "580f5fb648ea1062c0aabc26217aed56921985f03f0cbbd852bba81d760cc749"
    assert "0d3b403339b4674a82493d5e97964dd78089ddc8" in (encoder.url or "")


def test_licences_that_forbid_or_restrict_are_marked():
    for card in list_models():
        if card.family == "EdgeSAM":
            assert card.commercial_use is False, card.id
        elif card.family == "SAM 3" or card.id == "patho-sam-vit-b":
            assert card.commercial_use is None, card.id
        else:
            assert card.commercial_use is True, card.id


def test_contracts_and_overrides_are_ones_that_the_runner_knows():
    for card in list_models():
        if card.contract in ("detector", "O", "V4", "V5"):
            continue
        encoder, decoder = card.contract.split(" + ")
        if decoder != "N":  # SAM 3 with text differs in kind and has code of its own
            assert encoder in ENCODERS and decoder in DECODERS, card.id
        stated_fields(card.overrides)  # refuses what is no field
        row = card.overrides.get("encoder")
        assert row in (None, encoder), card.id


def test_an_archive_counts_once_and_unknown_sizes_are_unknown():
    zipped = find_card("sam2.1-tiny-anylabeling")
    assert zipped.size == 116_507_723
    assert zipped.hashed
    assert [file.name for file in zipped.files] == [
        "sam2.1_hiera_tiny.encoder.onnx",
        "sam2.1_hiera_tiny.decoder.onnx",
    ]
    assert find_card("efficientsam-s").size is None
    assert not find_card("efficientvit-sam-l0").hashed


def test_conflicting_hash_is_left_out_and_explained():
    card = find_card("sam-vit-h-anylabeling")
    assert card.files[0].archive is not None
    assert card.files[0].archive.sha256 is None
    assert "different hashes" in card.hash_source


def test_unknown_id_is_refused_with_its_neighbours():
    with pytest.raises(ModelError, match=r"no model called 'mobilsam'.*mobilesam"):
        find_card("mobilsam")
    with pytest.raises(ModelError, match="models list"):
        find_card("qqqqqqqqqq")


def test_a_users_card_is_read(home):
    (home / "cards" / "lab.toml").write_text(GOOD)
    card = find_card("lab-sam")
    assert card.origin == "user"
    assert card.commercial_use is False
    assert card.size is None and not card.hashed
    encoder, decoder = card.files
    assert encoder.url == "https://example.org/files/enc.onnx"
    assert (encoder.sha256, encoder.size) == (SHA, 12)
    assert decoder.name == "dec.onnx"
    assert list_models()[-1] == card
    assert describe_size(card) == ""
    (home / "cards" / "lab.toml").write_text(
        GOOD.replace("files = [", "about = 45_000_000\nfiles = [")
    )
    assert describe_size(find_card("lab-sam")) == "about 45 MB"
    assert describe_size(find_card("mobilesam")) == "45 MB"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('id = "lab-sam"', 'id = "Lab SAM"'), "field 'id'.*lower-case"),
        (('id = "lab-sam"', 'id = "../evil"'), "field 'id'"),
        (('id = "lab-sam"', 'id = "con"'), "field 'id'"),
        (('id = "lab-sam"', 'id = "mobilesam"'), "'mobilesam' is already taken"),
        (('name = "The lab\'s SAM"', ""), "field 'name': is missing"),
        (('name = "The lab\'s SAM"', "name = 3"), "field 'name': must be text"),
        (("commercial_use = false", 'commercial_use = "no"'), "must be true or false"),
        (("commercial_use", "comercial_use"), "field 'comercial_use': is not a field"),
        (("https://example.org/files", "http://example.org/files"), "must start with https"),
        (("https://example.org/other", "ftp://example.org/other"), "file 1, field 'url'"),
        ((SHA, SHA[:-1]), "file 0, field 'sha256': must be 64"),
        ((SHA, SHA.upper()), "lower-case hexadecimal"),
        (("size = 12", "size = -1"), "field 'size'.*above 0"),
        (("size = 12", "size = true"), "field 'size': must be a whole number"),
        (("sha256 =", "sha265 ="), "field 'sha265': is not a field"),
        (('role = "decoder"', 'role = "encoder"'), "'encoder' occurs twice"),
        (("dec.onnx?download=true", "enc.onnx"), "'enc.onnx' occurs twice"),
        (('file = "enc.onnx"', 'member = "enc.onnx"'), "needs an 'archive'"),
        (('file = "enc.onnx"', 'file = "enc.onnx", name = "../enc.onnx"'), "is no file name"),
        (("[[model]]", "[model]"), r"write each model as a \[\[model\]\] table"),
        (("files = [", "files = "), "no valid TOML"),
    ],
)
def test_a_bad_card_is_named_and_hides_no_other(home, change, sentence):
    assert change[0] in GOOD
    (home / "cards" / "bad.toml").write_text(GOOD.replace(*change))
    (home / "cards" / "good.toml").write_text(GOOD.replace("lab-sam", "good-sam"))
    catalogue = read_catalogue()
    (problem,) = catalogue.problems
    assert str(home / "cards" / "bad.toml") in problem
    assert re.search(sentence, problem), problem
    assert "\n" not in problem.split("(")[0]
    assert catalogue.cards[-1].id == "good-sam"
    with pytest.warns(Notice, match="bad.toml"):
        list_models()


def test_a_member_may_not_point_outside_its_archive(home):
    text = GOOD.replace('file = "enc.onnx"', 'member = "../../enc.onnx"').replace(
        "commercial_use = false", 'archive = { url = "https://example.org/a.zip" }'
    )
    (home / "cards" / "bad.toml").write_text(text)
    assert "points outside the archive" in read_catalogue().problems[0]


def test_a_written_card_is_read_back_the_same(tmp_path):
    path = tmp_path / "odd.toml"
    card = ModelCard(
        id="odd",
        name='Quote " back\\slash µ \x7f',
        family="added",
        files=(
            ModelFile("encoder", "e.onnx", path=tmp_path / "e.onnx", size=3, sha256=SHA),
            ModelFile("decoder", "d.onnx", path=tmp_path / "d.onnx"),
        ),
        contract="E1 + A",
        licence="MIT",
        commercial_use=True,
        input_size=512,
        card_file=path,
    )
    write_card(card, path)
    assert read_cards(path, "user") == [card]
    assert tomllib.loads(path.read_text())["model"][0]["id"] == "odd"


@pytest.mark.parametrize(
    ("mirror", "expected"),
    [
        ("", "https://huggingface.co/a/b.onnx?x=1"),
        ("https://mirror.lab/", "https://mirror.lab/huggingface.co/a/b.onnx?x=1"),
        ("https://hf.lab/{path}", "https://hf.lab/a/b.onnx?x=1"),
        ("https://m/{host}/x/{path}", "https://m/huggingface.co/x/a/b.onnx?x=1"),
    ],
)
def test_mirror_rewrites_addresses(monkeypatch, mirror, expected):
    monkeypatch.setenv("NAPARI_SAM_ONNX_MIRROR", mirror)
    assert mirror_url("https://huggingface.co/a/b.onnx?x=1") == expected


def test_listing_needs_neither_runtime_nor_network():
    code = (
        "import sys, socket\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "from napari_sam_onnx.models.store.catalog import list_models\n"
        "from napari_sam_onnx.models.store.files import is_downloaded\n"
        "cards = list_models()\n"
        "assert is_downloaded(cards[0])\n"
        "assert not any(is_downloaded(card) for card in cards if card.origin != 'embedded')\n"
        "heavy = {'onnxruntime', 'requests', 'napari', 'qtpy', 'skimage', 'scipy'}\n"
        "bad = heavy & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_models_are_made_for_is_stated_or_told_by_their_files():
    assert find_card("pebble").purpose == find_card("cellpose-sam").purpose == "cells"
    assert find_card("patho-sam-vit-b").purpose == "tissue"
    assert find_card("sam3").purpose == find_card("grounding-dino-tiny").purpose == "words"
    assert find_card("mobilesam").purpose == "anything"
    first = [card.id for card in list_models()[:5]]
    assert all(find_card(name).purpose in ("cells", "tissue") for name in first)
