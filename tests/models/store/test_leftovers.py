"""What killed processes leave is known, listed and deleted; damaged memory hides nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from napari_sam_onnx.models.add import add_local
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store import shared_files
from napari_sam_onnx.models.store.catalog import find_card, list_models, read_catalogue
from napari_sam_onnx.models.store.files import claim, is_downloaded, locate
from napari_sam_onnx.models.store.leftovers import delete_leftovers, list_leftovers
from napari_sam_onnx.models.store.shared_files import read_shared

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


ADD = """
import os, signal, sys
from pathlib import Path
from napari_sam_onnx.models import add
from napari_sam_onnx.models.store.places import models_dir

if sys.argv[1] == "copy":
    copy = add.shutil.copyfile
    def kill(source, target):
        copy(source, target)
        os.kill(os.getpid(), signal.SIGKILL)
    add.shutil.copyfile = kill
elif sys.argv[1] == "card":
    add.write_card = lambda card, path: os.kill(os.getpid(), signal.SIGKILL)
try:
    add.add_local(Path(sys.argv[2]), None, "mine", check=lambda paths, stated: "E1 + A")
except add.ModelError as error:
    print(error)
    sys.exit(2)
"""


def start(how: str, graph: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ADD, how, graph], stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "sam.onnx"
    path.write_bytes(b"weights" * 1000)
    return path


@posix
@pytest.mark.parametrize("how", ["copy", "card"])
def test_a_killed_add_is_listed_cleaned_and_in_nobodys_way(
    home: Path, graph: Path, how: str
) -> None:
    killed = start(how, graph)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    (left,) = list_leftovers()
    assert left.nbytes == 7000
    assert not any(card.id == "mine" for card in list_models())

    assert delete_leftovers([left]) == 7000
    assert list_leftovers() == []
    start(how, graph).communicate(timeout=60)
    card = add_local(graph, None, "mine", check=lambda paths, stated: "E1 + A")
    assert locate(card)["model"].read_bytes() == graph.read_bytes()
    assert list_leftovers() == []
    assert sorted(os.listdir(home / "models")) == ["mine"]


def test_of_three_that_add_one_id_one_wins_and_the_others_are_told(home: Path, graph: Path) -> None:
    three = [start("", graph) for _ in range(3)]
    said = [process.communicate(timeout=90)[0] for process in three]
    assert sorted(process.returncode for process in three) == [0, 2, 2]
    assert sum("There is already a model 'mine'" in words for words in said) == 2
    assert is_downloaded(find_card("mine"))
    assert list_leftovers() == []


def test_what_is_in_use_is_no_leftover(home: Path, graph: Path) -> None:
    add_local(graph, None, "mine", check=lambda paths, stated: "E1 + A")
    (home / "models" / "other").mkdir()
    with claim("other", None):
        assert list_leftovers() == []
    assert [left.path.name for left in list_leftovers()] == ["other"]
    (home / "cards" / "mine.toml").write_text("damaged [")
    assert list_leftovers() == []  # it may be the damaged card's


# ---- damage -------------------------------------------------------------------------------

DAMAGE = {
    "nested tables": "a = " + "[" * 100_000,
    "nested json": "[" * 100_000,
    "digits": "a = " + "9" * 5000,
    "no text": "\udcff\udcfe",
    "empty": "",
    "zeros": "\0" * 100,
    "a list of lists": "model = [[1]]",
    "id of digits": "[[model]]\nid = 3",
    "keys": "[[model]]\n" + "a." * 5000 + "b = 1",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_card_hides_no_other(home: Path, graph: Path, kind: str) -> None:
    add_local(graph, None, "mine", check=lambda paths, stated: "E1 + A")
    content = DAMAGE[kind].encode("utf-8", "surrogateescape")
    (home / "cards" / "bad.toml").write_bytes(content)
    catalogue = read_catalogue()
    assert {"pebble", "mine"} <= {card.id for card in catalogue.cards}
    assert len(catalogue.problems) == 1 and "bad.toml" in catalogue.problems[0]
    assert len(catalogue.problems[0]) < 500


@posix
def test_what_is_no_file_is_no_card_and_is_not_waited_for(home: Path) -> None:
    (home / "cards").mkdir(parents=True)
    os.mkfifo(home / "cards" / "pipe.toml")
    (home / "cards" / "folder.toml").mkdir()
    (home / "cards" / "circle.toml").symlink_to(home / "cards" / "circle.toml")
    catalogue = read_catalogue()
    assert any(card.id == "pebble" for card in catalogue.cards)
    assert len(catalogue.problems) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"files": {"KEY": [1]}, "pins": {"x": []}}',
        b'{"files": {"KEY": {"size": 7000}}}',
        b'{"files": {"KEY": 3}}',
        b"9" * 5000,
    ],
)
def test_a_damaged_memory_of_hashes_costs_time_alone(
    home: Path, graph: Path, content: bytes
) -> None:
    card = add_local(graph, None, "mine", check=lambda paths, stated: "E1 + A")
    key = str((home / "models/mine/model/sam.onnx").resolve()).encode()
    (home / "hashes.json").write_bytes(content.replace(b"KEY", key))
    assert locate(card)["model"].name == "sam.onnx"
    (home / "models/mine/model/sam.onnx").write_bytes(b"exchang" * 1000)
    with pytest.raises(ModelError, match="is not the file it should be"):
        locate(card)


# ---- listing ------------------------------------------------------------------------------


def test_a_list_of_models_reads_the_shared_folder_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    (shared / "mobilesam").mkdir(parents=True)
    for file in find_card("mobilesam").files:
        (shared / "mobilesam" / file.name).write_bytes(b"x")
    monkeypatch.setenv("NAPARI_SAM_ONNX_MODELS", str(shared))
    reads = []
    scan = shared_files._scan
    monkeypatch.setattr(shared_files, "_scan", lambda folder: reads.append(folder) or scan(folder))
    listing = read_shared()
    here = [card.id for card in list_models() if is_downloaded(card, listing)]
    assert here == ["pebble", "mobilesam"]
    assert len(reads) == 2  # the folder and the one in it, not once for each model
