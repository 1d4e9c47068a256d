from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from napari_sam_onnx.models.add import add_local
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store import integrity
from napari_sam_onnx.models.store.cards import Archive, ModelCard, ModelFile
from napari_sam_onnx.models.store.catalog import find_card, list_models
from napari_sam_onnx.models.store.download import download
from napari_sam_onnx.models.store.external_data import find_external_data
from napari_sam_onnx.models.store.files import bytes_on_disk, is_downloaded, locate, remove
from napari_sam_onnx.models.store.integrity import hash_file, sha256_of
from tests.models.file_server import md5, sha256
from tests.models.store.test_download import make_zip


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    for name in ("NAPARI_SAM_ONNX_MODELS", "NAPARI_SAM_ONNX_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(integrity, "_session", {})
    return tmp_path / "home"


def make_card(*files: ModelFile, id: str = "small") -> ModelCard:
    return ModelCard(id=id, name="Small", family="test", files=files)


def web_file(role: str, name: str, body: bytes, *, hashed: bool = True) -> ModelFile:
    return ModelFile(
        role,
        name,
        url=f"https://far.invalid/{name}",
        size=len(body) if hashed else None,
        sha256=sha256(body) if hashed else None,
    )


PAIR = make_card(web_file("encoder", "enc.onnx", b"E" * 10), web_file("decoder", "dec.onnx", b"D"))


def put(folder: Path, **bodies: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in bodies.items():
        (folder / name.replace("__", ".")).write_bytes(body)
    return folder


def test_a_tampered_file_is_never_located(home):
    folder = put(home / "models/small", enc__onnx=b"E" * 10, dec__onnx=b"D")
    assert locate(PAIR)["encoder"] == folder / "enc.onnx"
    (folder / "enc.onnx").write_bytes(b"X" * 10)
    with pytest.raises(ModelError, match=r"enc\.onnx is not the file.*sha256.*not loaded"):
        locate(PAIR)
    with pytest.raises(ModelError, match=r"models remove small"):
        download(PAIR)


def test_tampering_that_restores_the_date_is_noticed(home):
    folder = put(home / "models/small", enc__onnx=b"E" * 10, dec__onnx=b"D")
    locate(PAIR)
    path = folder / "enc.onnx"
    before = path.stat()
    path.write_bytes(b"X" * 10)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ModelError, match=r"not loaded"):
        locate(PAIR)


def test_a_short_file_is_refused_without_reading_it(home, monkeypatch):
    put(home / "models/small", enc__onnx=b"E" * 9, dec__onnx=b"D")
    monkeypatch.setattr(integrity, "hash_file", lambda *_: pytest.fail("was read"))
    with pytest.raises(ModelError, match=r"9 bytes instead of 10"):
        locate(PAIR)


def test_an_unchanged_file_is_hashed_once_even_by_another_process(home, monkeypatch):
    put(home / "models/small", enc__onnx=b"E" * 10, dec__onnx=b"D")
    locate(PAIR)
    monkeypatch.setattr(integrity, "_session", {})  # what another process would know
    monkeypatch.setattr(integrity, "hash_file", lambda *_: pytest.fail("was hashed again"))
    assert locate(PAIR).keys() == {"encoder", "decoder"}


def test_a_file_without_a_published_hash_may_not_change_later(home):
    card = make_card(
        web_file("encoder", "enc.onnx", b"", hashed=False),
        web_file("decoder", "dec.onnx", b"", hashed=False),
    )
    folder = put(home / "models/small", enc__onnx=b"first", dec__onnx=b"D")
    locate(card)
    (folder / "enc.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"not loaded"):
        locate(card)


def test_a_damaged_or_unwritable_memory_costs_time_alone(home, monkeypatch):
    put(home / "models/small", enc__onnx=b"E" * 10, dec__onnx=b"D")
    for damage in (b"{", b"[]", b'{"files": 3, "pins": []}', b"\xff"):
        (home / "hashes.json").write_bytes(damage)
        assert locate(PAIR)["decoder"].name == "dec.onnx"

    def refuse(*_: object) -> None:
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(integrity, "write_bytes", refuse)
    (home / "hashes.json").unlink()
    monkeypatch.setattr(integrity, "_session", {})
    assert locate(PAIR)["decoder"].name == "dec.onnx"
    assert not (home / "hashes.json").exists()
    (home / "models/small/dec.onnx").write_bytes(b"X")
    with pytest.raises(ModelError):
        locate(PAIR)


def test_hashes_are_those_of_the_bytes(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc" * 1_000_000)
    assert hash_file(path) == sha256_of(path) == sha256(b"abc" * 1_000_000)
    assert hash_file(path, "md5") == md5(b"abc" * 1_000_000)


def test_remove_frees_the_models_bytes_and_parts_alone(home):
    put(home / "models/small", enc__onnx=b"E" * 10, dec__onnx__part=b"D")
    put(home / "models/other", enc__onnx=b"E" * 10)
    assert bytes_on_disk(PAIR) == 11
    assert remove(PAIR) == 11
    assert not (home / "models/small").exists()
    assert (home / "models/other/enc.onnx").exists()
    assert remove(PAIR) == 0
    with pytest.raises(ModelError, match=r"part of the package"):
        remove(find_card("pebble"))


@pytest.fixture
def share(tmp_path, monkeypatch):
    folder = tmp_path / "share"
    folder.mkdir()
    monkeypatch.setenv("NAPARI_SAM_ONNX_MODELS", str(folder))
    return folder


def test_shared_folder_by_id(home, share):
    put(share / "small", enc__onnx=b"E" * 10, dec__onnx=b"D")
    assert locate(PAIR) == {r: share / "small" / f"{r[:3]}.onnx" for r in ("encoder", "decoder")}
    assert download(PAIR) == locate(PAIR)  # nothing to fetch
    remove(PAIR)
    assert (share / "small" / "enc.onnx").exists()


def test_shared_folder_flat_by_name_and_by_hash(home, share):
    put(share, enc__onnx=b"E" * 10, renamed__onnx=b"D")
    put(share / "deeper", dec__onnx=b"X")  # the right name, the wrong bytes
    found = locate(PAIR)
    assert found["encoder"] == share / "enc.onnx"
    assert found["decoder"] == share / "renamed.onnx"


def test_shared_file_with_the_right_name_and_wrong_bytes_is_not_taken(home, share):
    put(share, enc__onnx=b"X" * 10, dec__onnx=b"D")
    assert not is_downloaded(PAIR)
    with pytest.raises(ModelError, match=r"the enc\.onnx in .*share is another file"):
        locate(PAIR)
    put(share / "small", enc__onnx=b"X" * 10, dec__onnx=b"D")
    with pytest.raises(ModelError, match=r"not the file it should be"):
        locate(PAIR)


def test_a_shared_folder_that_does_not_help_is_named(home, share, monkeypatch):
    with pytest.raises(ModelError, match=r"share does not hold it either.*models download small"):
        locate(PAIR)
    monkeypatch.setenv("NAPARI_SAM_ONNX_MODELS", str(share / "nowhere"))
    with pytest.raises(ModelError, match=r"NAPARI_SAM_ONNX_MODELS names .*nowhere.*no folder"):
        locate(PAIR)


def test_shared_file_by_md5(home, share):
    body = b"old registries"
    file = ModelFile("encoder", "e.onnx", url="https://far.invalid/e.onnx", md5=md5(body))
    put(share, anything__onnx=body)
    assert locate(make_card(file)) == {"encoder": share / "anything.onnx"}


def test_shared_external_data_must_lie_beside_its_graph(home, share):
    card = make_card(
        web_file("encoder", "enc.onnx", b"E"),
        web_file("encoder_data", "enc.onnx_data", b"weights"),
        web_file("decoder", "dec.onnx", b"D"),
    )
    put(share, renamed__onnx=b"E", dec__onnx=b"D")
    put(share / "elsewhere", enc__onnx_data=b"weights")
    assert not is_downloaded(card)
    put(share, enc__onnx_data=b"weights")
    (share / "renamed.onnx").rename(share / "elsewhere/renamed.onnx")
    (share / "elsewhere/enc.onnx_data").unlink()
    assert not is_downloaded(card)
    (share / "elsewhere/renamed.onnx").rename(share / "renamed.onnx")
    assert locate(card)["encoder_data"] == share / "enc.onnx_data"


def test_unhashed_shared_files_count_flat_only_under_a_name_of_their_own(home, share):
    """'encoder.onnx' lying flat could be any of several models' encoders."""
    tiny = find_card("sam2-small-sharpai")
    assert {file.name for file in tiny.files} == {"encoder.onnx", "decoder.onnx"}
    put(share, encoder__onnx=b"?", decoder__onnx=b"?")
    assert not is_downloaded(tiny)
    put(share / tiny.id, encoder__onnx=b"?", decoder__onnx=b"?")
    assert is_downloaded(tiny)
    lone = find_card("sam-med2d-b")
    put(share, **{file.name.replace(".", "__"): b"!" for file in lone.files})
    assert locate(lone)["encoder"] == share / "sam-med2d_b.encoder.onnx"


def test_shared_zip_is_unpacked_without_a_network(home, share):
    body = make_zip({"enc.onnx": b"E", "dec.onnx": b"D"})
    archive = Archive("https://far.invalid/all.zip", len(body), sha256(body))
    card = make_card(
        ModelFile("encoder", "enc.onnx", archive=archive, member="enc.onnx"),
        ModelFile("decoder", "dec.onnx", archive=archive, member="dec.onnx"),
    )
    (share / "all.zip").write_bytes(body[::-1])
    with pytest.raises(ModelError, match=r"all\.zip is not the file it should be"):
        download(card)
    (share / "all.zip").write_bytes(body)
    assert download(card)["encoder"] == home / "models/small/enc.onnx"
    assert (share / "all.zip").exists()


def external(name: str) -> bytes:
    """The bytes with which a graph says where a tensor's weights are."""
    raw = name.encode()
    return b"\x0a\x08location\x12" + bytes([len(raw)]) + raw


def accept(paths, overrides) -> str:
    assert all(path.is_file() for path in paths)
    return "E1 + A"


@pytest.fixture
def pair(tmp_path):
    folder = tmp_path / "mine"
    put(folder / "a", model__onnx=b"graph" + external("w.bin") * 3 + external("v.bin"))
    put(folder / "a", w__bin=b"weights", v__bin=b"more")
    put(folder / "b", model__onnx=b"decoder")
    return folder / "a/model.onnx", folder / "b/model.onnx"


def test_external_data_is_read_from_the_graph(pair):
    assert [path.name for path in find_external_data(pair[0])] == ["w.bin", "v.bin"]
    assert find_external_data(pair[1]) == []
    (pair[0].parent / "w.bin").unlink()
    with pytest.raises(ModelError, match=r"keeps its weights in 'w\.bin'"):
        find_external_data(pair[0])
    pair[1].write_bytes(external("../w.bin"))
    with pytest.raises(ModelError, match=r"must lie beside it"):
        find_external_data(pair[1])


def test_real_external_data_is_found(tmp_path):
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.ones(1000, np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1000])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1000])],
        [weights],
    )
    path = tmp_path / "g.onnx"
    onnx.save_model(
        helper.make_model(graph),
        path,
        save_as_external_data=True,
        location="g.onnx_data",
        size_threshold=0,
    )
    assert find_external_data(path) == [tmp_path / "g.onnx_data"]


def test_added_files_are_copied_listed_checked_and_removed(home, pair):
    card = add_local(*pair, "mine", name="My SAM", licence="CC0", check=accept)
    assert card == find_card("mine") == list_models()[-1]
    assert (card.name, card.licence, card.contract, card.origin) == (
        "My SAM", "CC0", "E1 + A", "user",
    )  # fmt: skip
    shutil.rmtree(pair[0].parent.parent)  # the originals are not needed any more
    found = locate(card)
    assert list(found) == ["encoder", "encoder_data", "encoder_data2", "decoder"]
    assert found["encoder"].parent == found["encoder_data"].parent != found["decoder"].parent
    assert found["encoder_data"].name == "w.bin"
    found["encoder_data"].write_bytes(b"WEIGHTS")
    with pytest.raises(ModelError, match=r"w\.bin is not the file.*add it again"):
        locate(card)
    remove(card)
    with pytest.raises(ModelError, match="no model called 'mine'"):
        find_card("mine")
    assert not (home / "models/mine").exists()


def test_a_home_that_moves_keeps_its_added_models(home, pair, monkeypatch):
    add_local(*pair, "mine", check=accept)
    moved = home.with_name("elsewhere")
    home.rename(moved)
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(moved))
    assert moved in locate(find_card("mine"))["encoder"].resolve().parents


def test_files_added_in_place_stay_and_may_not_change(pair):
    card = add_local(*pair, "mine", copy=False, check=accept)
    assert locate(card)["decoder"] == pair[1]
    pair[1].write_bytes(b"DECODER")
    with pytest.raises(ModelError, match=r"add it again"):
        locate(card)
    remove(card)
    assert pair[0].exists() and pair[1].exists()


def test_one_file_that_is_both(pair):
    card = add_local(pair[1], None, "both", check=accept)
    assert list(locate(card)) == ["model"]


def test_what_cannot_be_added_leaves_nothing(home, pair, monkeypatch):
    def reject(paths, overrides) -> str:
        raise ModelError("These are no SAM files.")

    for arguments, sentence in (
        (("mobilesam", accept), r"already a model 'mobilesam'"),
        (("My Model", accept), r"cannot be an id"),
        (("../up", accept), r"cannot be an id"),
        (("mine", reject), r"no SAM files"),
    ):
        with pytest.raises(ModelError, match=sentence):
            add_local(*pair, arguments[0], check=arguments[1])
    with pytest.raises(ModelError, match=r"There is no file .*nowhere"):
        add_local(Path("nowhere.onnx"), pair[1], "mine", check=accept)

    def fail(source, target):
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(ModelError, match=r"disk is full"):
        add_local(*pair, "mine", check=accept)
    assert not (home / "models/mine").exists()
    assert not (home / "cards/mine.toml").exists()
