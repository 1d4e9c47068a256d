"""`models`: what users read, and what is on disk afterwards."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
import trustme

from napari_sam_onnx.cli.options.contract_option import parse_contract
from napari_sam_onnx.models import load_model
from napari_sam_onnx.models.store.catalog import find_card
from tests.fakes import ComponentModel
from tests.models.conftest import build_pair, pair_of, tiny_sam_pair  # noqa: F401
from tests.models.file_server import run_server, sha256

ENCODER = bytes(range(256)) * 2000
DECODER = b"decoder"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    for name in ("NAPARI_SAM_ONNX_MODELS", "NAPARI_SAM_ONNX_MIRROR", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home/cards").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """An https server that this process and its children trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with run_server(context) as running:
        yield running


@pytest.fixture
def card(server, home):
    """A user's card for two files on the server."""
    server.serve("/enc.onnx", ENCODER)
    server.serve("/dec.onnx", DECODER)
    text = f"""
[[model]]
id = "lab"
name = "Lab SAM"
family = "SAM 1"
licence = "Lab terms"
commercial_use = false
base = "{server.base}"
files = [
  {{ role = "encoder", file = "enc.onnx", size = {len(ENCODER)}, sha256 = "{sha256(ENCODER)}" }},
  {{ role = "decoder", file = "dec.onnx" }},
]
"""
    (home / "cards/lab.toml").write_text(text)
    return "lab"


COLUMNS = ["FAMILY", "SIZE", "LICENCE", "COMMERCIAL", "CLICK/BOX", "HERE"]


def rows_of(text):
    """A list by id; columns are two spaces apart."""
    header, *lines = text.splitlines()
    assert re.split(r"\s{2,}", header) == ["ID", "FOR", *COLUMNS]
    return {line.split()[0]: re.split(r"\s{2,}", line)[1:] for line in lines}


def test_list_shows_all_and_what_is_here(run, card, home):
    code, said, err = run("models", "list")
    assert (code, err) == (0, "")
    rows = rows_of(said)
    assert next(iter(rows)) == "pebble"
    assert rows["pebble"][-2:] == ["0.72/0.82", "yes"]
    licence = "MIT (files), Apache-2.0 (weights)"
    assert rows["mobilesam"] == ["anything", "MobileSAM", "45 MB", licence, "yes", "-"]
    edge = ["anything", "EdgeSAM", "38 MB", "S-Lab 1.0 (non-commercial)", "no", "-"]
    assert rows["edgesam-3x"] == edge
    assert rows["sam3"] == ["words", "SAM 3", "about 3.4 GB", "SAM License", "see terms", "-"]
    assert rows["lab"] == ["anything", "SAM 1", "?", "Lab terms", "no", "-"]
    assert set(rows_of(run("models", "list", "--here")[1])) == {"pebble"}
    assert set(rows_of(run("models", "list", "--for", "tissue")[1])) == {"patho-sam-vit-b"}


def test_a_bad_card_is_reported_beside_the_list(run, card, home):
    (home / "cards/bad.toml").write_text("[[model]]\nid = 3\n")
    code, said, err = run("models", "list")
    assert code == 0
    assert "lab" in rows_of(said)
    assert re.fullmatch(r"Warning: .*bad\.toml: model 0, field 'id': must be text\.\n", err)


def test_info_tells_sources_hashes_and_what_is_not_published(run, card):
    code, said, err = run("models", "info", "lab")
    assert (code, err) == (0, "")
    assert re.search(r"^commercial use: +no$", said, re.M)
    assert re.search(r"^on this computer: no$", said, re.M)
    assert f"sha256 {sha256(ENCODER)}" in said
    assert said.count("no published hash: pinned by the first download") == 1
    code, said, _ = run("models", "info", "mobilesam-anylabeling")
    assert said.count("in https://huggingface.co/vietanhdev/") == 2


def test_download_then_remove(run, card, home):
    code, said, err = run("models", "download", "lab")
    assert code == 0
    assert said == f"lab is here: {home / 'models/lab'}\n"
    assert "Licence: Lab terms (no commercial use)." in err
    assert "nobody publishes a hash of every file" in err
    assert (home / "models/lab/enc.onnx").read_bytes() == ENCODER
    assert rows_of(run("models", "list")[1])["lab"][-1] == "yes"
    assert run("models", "download", "lab")[1] == "lab is here already.\n"
    (home / "models/lab/enc.onnx").write_bytes(ENCODER[::-1])
    code, _, err = run("models", "download", "lab")
    assert code == 2 and "is not the file it should be" in err
    code, said, _ = run("models", "remove", "lab", "--yes")
    assert (code, said) == (0, "lab is removed, 512 kB freed.\n")
    assert not (home / "models/lab").exists()
    assert "lab" in rows_of(run("models", "list")[1])  # the card is the user's, and stays


def test_mistakes_are_one_sentence_and_exit_2(run, server, card):
    server.routes["/dec.onnx"].statuses = [404]
    for arguments, sentence in (
        (("info", "nothing-of-the-kind"), "no model called"),
        (("remove", "pebble"), "part of the package"),
        (("download", "lab"), "dec.onnx is no longer at"),
        (("check", "lab"), "models download lab"),
        (("check", "a.onnx", "b.onnx", "c.onnx"), "no file 'a.onnx'"),
        (("check", "missing.onnx"), "missing.onnx"),
        (("add", "missing.onnx", "--id", "mine"), "no file missing.onnx"),
    ):
        code, said, err = run("models", *arguments)
        last = err.strip().splitlines()[-1]
        assert code == 2 and said == "", arguments
        assert last.startswith("Error: ") and sentence in last, arguments


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_keeps_the_part_and_the_next_run_continues(server, card, home):
    server.routes["/enc.onnx"].pause = 0.05  # 25 s
    command = [sys.executable, "-c", "from napari_sam_onnx.cli import main; main()"]
    command += ["models", "download", "lab"]
    worker = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    part = home / "models/lab/enc.onnx.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 20_000):
        assert time.monotonic() < deadline and worker.poll() is None
        time.sleep(0.02)
    worker.send_signal(signal.SIGINT)
    _, err = worker.communicate(timeout=30)
    assert worker.returncode == 130
    assert "run the same command again" in err and "Traceback" not in err
    kept = part.stat().st_size
    assert 20_000 < kept < len(ENCODER)
    server.routes["/enc.onnx"].pause = 0
    subprocess.run(command, check=True, capture_output=True)
    assert server.ranges("/enc.onnx") == [None, f"bytes={kept}-"]
    assert (home / "models/lab/enc.onnx").read_bytes() == ENCODER


def test_add_check_and_remove_a_pair(run, tiny_sam_pair, home, tmp_path):  # noqa: F811
    code, said, err = run("models", "add", *tiny_sam_pair, "--id", "mine", "--licence", "CC0")
    assert (code, err) == (0, "")
    assert said == "mine is added, contract E1 + A.\n"
    assert rows_of(run("models", "list")[1])["mine"][-4:] == ["CC0", "see terms", "-", "yes"]
    code, said, err = run("models", "check", "mine")
    assert (code, err) == (0, "")
    lines = dict(re.findall(r"^([^:!]+): +(.*)$", said, re.M))
    assert lines["contract"] == "E1 + A"
    assert lines["embedding image_embeddings"].startswith("(1, ")
    assert lines["encode"].endswith("ms") and "16 at once" in lines["decode in a batch"]
    assert 0 <= float(lines["IoU with the disc"]) <= 1
    picture = tmp_path / "picture.tif"
    tifffile.imwrite(picture, np.arange(90 * 70, dtype=np.uint16).reshape(90, 70))
    code, said, _ = run("models", "check", *tiny_sam_pair, "--image", picture)
    assert code == 0
    assert "IoU with the disc" not in said and "your picture" in said
    code, _, err = run("models", "add", *tiny_sam_pair, "--id", "mine")
    assert code == 2 and "already a model 'mine'" in err
    assert run("models", "remove", "mine", "--yes")[0] == 0
    assert "mine" not in rows_of(run("models", "list")[1])


def test_what_was_guessed_wrong_is_put_right(run, tiny_sam_pair, home, monkeypatch, picture):  # noqa: F811
    stated = ("--contract", "channels=BGR", "--contract", "decoder.batch=false")
    code, _, err = run("models", "add", *tiny_sam_pair, "--id", "mine", *stated)
    assert (code, err) == (0, "")
    assert find_card("mine").overrides == {"channels": "BGR", "decoder.batch": False}
    opened = load_model("mine")
    assert opened.contract.encoder.channels == "BGR" and not opened.contract.decoder.batch
    opened.close()
    given = []
    model = ComponentModel()
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.segment.load_model",
        lambda *_, **k: (given.append(k), model)[1],
    )
    code, _, _ = run("segment", picture, "-o", picture.with_name("out.tif"), *stated, "-q")
    assert code == 0
    assert given[0]["overrides"] == {"channels": "BGR", "decoder.batch": False}


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (["nonsense=1"], "no field"),
        (["channels=XYZ"], "none of what channels can be"),
        (["channels"], "takes KEY=VALUE; got 'channels'"),
        (["channels=BGR", "channels=RGB"], "states channels twice"),
        (["encoder=E99"], "E99"),
    ],
)
def test_what_cannot_be_stated_is_refused(run, tiny_sam_pair, home, stated, words):  # noqa: F811
    options = [part for entry in stated for part in ("--contract", entry)]
    code, _, err = run("models", "add", *tiny_sam_pair, "--id", "mine", *options)
    assert code == 2 and words in err and err.count("\n") == 1
    assert parse_contract(["size=[1024, 1024]", "layout=CHW"]) == {
        "size": [1024, 1024],
        "layout": "CHW",
    }


def test_what_is_no_model_is_not_added(run, home, tmp_path):
    (tmp_path / "note.onnx").write_text("this is no graph")
    code, _, err = run("models", "add", tmp_path / "note.onnx", tmp_path / "note.onnx", "--id", "x")
    assert code == 2 and err.startswith("Error: ")
    assert list((home / "cards").iterdir()) == []


def test_list_starts_without_the_runtime_and_without_a_network():
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "from napari_sam_onnx.cli import main\n"
        "try: main(['models', 'list'])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'onnxruntime', 'requests', 'scipy', 'skimage', 'napari', 'qtpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "mobilesam" in rows_of(done.stdout)
