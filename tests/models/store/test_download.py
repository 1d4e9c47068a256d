from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import ssl
import threading
import time
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import trustme

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store import disk, transfer
from napari_sam_onnx.models.store.cards import Archive, ModelCard, ModelFile
from napari_sam_onnx.models.store.download import download
from napari_sam_onnx.models.store.fetch import fetch
from napari_sam_onnx.models.store.files import is_downloaded, locate, remove
from napari_sam_onnx.models.store.places import models_dir
from napari_sam_onnx.models.store.transfer import DownloadCancelled, Network
from tests.models.file_server import FileServer, md5, run_server, sha256

LOCAL = Network(attempts=3, backoff=0.01, timeout=30, plain_localhost=True)
ENCODER = bytes(range(256)) * 400  # 102400 bytes
DECODER = b"decoder" * 1000


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    for name in ("NAPARI_SAM_ONNX_MODELS", "NAPARI_SAM_ONNX_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def server():
    with run_server() as running:
        yield running


def make_card(server: FileServer, *, hashed: bool = True, **encoder: object) -> ModelCard:
    """A model of two files that the server serves."""
    return ModelCard(
        id="small",
        name="Small",
        family="test",
        files=(
            ModelFile(
                "encoder",
                "enc.onnx",
                url=server.serve("/enc.onnx", ENCODER, **encoder),
                size=len(ENCODER) if hashed else None,
                sha256=sha256(ENCODER) if hashed else None,
            ),
            ModelFile(
                "decoder",
                "dec.onnx",
                url=server.serve("/dec.onnx", DECODER),
                md5=md5(DECODER) if hashed else None,
            ),
        ),
    )


def leftovers(home: Path) -> set[str]:
    folder = home / "models" / "small"
    return {path.name for path in folder.rglob("*")} if folder.exists() else set()


def test_download_fetches_checks_and_names_the_files(server, home):
    card = make_card(server)
    seen: list[tuple[str, int, int | None]] = []
    assert not is_downloaded(card)
    with pytest.raises(ModelError, match=r"models download small"):
        locate(card)
    paths = download(card, lambda *step: seen.append(step), network=LOCAL)
    assert paths == {
        "encoder": home / "models/small/enc.onnx",
        "decoder": home / "models/small/dec.onnx",
    }
    assert paths["encoder"].read_bytes() == ENCODER
    assert paths["decoder"].read_bytes() == DECODER
    assert leftovers(home) == {"enc.onnx", "dec.onnx"}
    assert seen[0] == ("enc.onnx", 0, len(ENCODER))
    assert ("enc.onnx", len(ENCODER), len(ENCODER)) in seen
    assert seen[-1] == ("dec.onnx", len(DECODER), len(DECODER))
    asked = len(server.requests)
    assert download(card, network=LOCAL) == paths
    assert len(server.requests) == asked  # what is here is not fetched again


def test_cut_connections_are_continued_where_they_broke(server):
    card = make_card(server, cut_after=[30_000, 20_000])
    paths = download(card, network=LOCAL)
    assert paths["encoder"].read_bytes() == ENCODER
    assert server.ranges("/enc.onnx") == [None, "bytes=30000-", "bytes=50000-"]
    sent = sum(request.sent for request in server.requests if request.path == "/enc.onnx")
    assert sent == len(ENCODER)  # not one byte twice


def test_a_later_run_continues_an_earlier_ones_part(server, home):
    card = make_card(server, cut_after=[40_000, 0, 0, 0])
    with pytest.raises(ModelError, match=r"goes on where it stopped"):
        download(card, network=LOCAL)
    assert "enc.onnx" not in leftovers(home)
    assert (home / "models/small/enc.onnx.part").stat().st_size == 40_000
    server.routes["/enc.onnx"].cut_after.clear()
    download(card, network=LOCAL)
    assert server.ranges("/enc.onnx")[-1] == "bytes=40000-"
    assert leftovers(home) == {"enc.onnx", "dec.onnx"}


def test_attempts_without_a_new_byte_are_counted_and_progress_resets_the_count(server):
    card = make_card(server, cut_after=[10_000, 0, 10_000, 0, 10_000])
    download(card, network=LOCAL)  # never three failures in a row
    card = make_card(server, cut_after=[0] * 10)
    remove(card)
    before = len(server.ranges("/enc.onnx"))
    with pytest.raises(ModelError):
        download(card, network=LOCAL)
    assert len(server.ranges("/enc.onnx")) - before == LOCAL.attempts


def test_a_server_without_ranges_is_started_over(server, home):
    card = make_card(server, cut_after=[30_000], ranges=False)
    download(card, network=LOCAL)
    assert (home / "models/small/enc.onnx").read_bytes() == ENCODER


def test_a_server_that_states_no_length_is_believed_only_by_hash(server, home):
    card = make_card(server, declare_length=False)
    download(card, network=LOCAL)
    assert (home / "models/small/enc.onnx").read_bytes() == ENCODER


def test_an_early_end_without_a_stated_length_is_noticed(server):
    card = make_card(server, declare_length=False, cut_after=[30_000])
    assert download(card, network=LOCAL)["encoder"].read_bytes() == ENCODER
    assert server.ranges("/enc.onnx") == [None, "bytes=30000-"]


def test_another_range_than_asked_for_is_not_appended(server):
    card = make_card(server, cut_after=[30_000], shift=7)
    assert download(card, network=LOCAL)["encoder"].read_bytes() == ENCODER
    assert server.ranges("/enc.onnx") == [None, "bytes=30000-", None]


def test_wrong_hash_leaves_nothing_that_could_be_loaded(server, home):
    card = make_card(server)
    server.routes["/enc.onnx"].body = b"\0" * len(ENCODER)
    with pytest.raises(ModelError, match=r"enc\.onnx.*not the file that was published.*deleted"):
        download(card, network=LOCAL)
    assert leftovers(home) == set()
    with pytest.raises(ModelError, match=r"models download small"):
        locate(card)


def test_wrong_md5_is_refused_too(server, home):
    card = make_card(server)
    server.routes["/dec.onnx"].body = DECODER[::-1]
    with pytest.raises(ModelError, match=r"dec\.onnx"):
        download(card, network=LOCAL)
    assert "dec.onnx" not in leftovers(home)


def test_a_spoilt_part_is_fetched_anew_once(server, home):
    card = make_card(server)
    part = home / "models/small/enc.onnx.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\0" * 5000)
    download(card, network=LOCAL)
    assert (home / "models/small/enc.onnx").read_bytes() == ENCODER
    assert server.ranges("/enc.onnx") == ["bytes=5000-", None]


def test_wrong_size_is_noticed_before_downloading(server, home):
    card = make_card(server)
    server.routes["/enc.onnx"].body = ENCODER + b"!"
    with pytest.raises(ModelError, match=r"102401 bytes instead of 102400"):
        download(card, network=LOCAL)
    assert "enc.onnx" not in leftovers(home)


def test_more_bytes_than_stated_are_not_taken(server, home):
    card = make_card(server, declare_length=False)
    server.routes["/enc.onnx"].body = ENCODER * 50
    with pytest.raises(ModelError, match=r"longer at the source"):
        download(card, network=LOCAL)
    assert leftovers(home) == set()


def test_cancel_stops_a_slow_server_soon_and_keeps_the_part(server, home):
    card = make_card(server, pause=0.05)  # 5 s for the whole file
    stop = threading.Event()

    def watch(name: str, done: int, total: int | None) -> None:
        if done >= 3000:
            stop.set()

    with pytest.raises(DownloadCancelled):
        download(card, watch, stop.is_set, network=LOCAL)
    part = home / "models/small/enc.onnx.part"
    assert 3000 <= part.stat().st_size < len(ENCODER)
    assert not is_downloaded(card)
    had = part.stat().st_size
    server.routes["/enc.onnx"].pause = 0
    download(card, network=LOCAL)
    assert server.ranges("/enc.onnx")[-1] == f"bytes={had}-"


def test_cancel_interrupts_the_wait_between_attempts(server):
    card = make_card(server, cut_after=[0] * 5)
    patient = Network(attempts=3, backoff=60, timeout=30, plain_localhost=True)
    started = time.monotonic()
    with pytest.raises(DownloadCancelled):
        download(card, None, lambda: time.monotonic() - started > 0.5, network=patient)
    assert time.monotonic() - started < 50


def test_a_silent_server_is_given_up(server):
    card = make_card(server, pause=1.5)
    hasty = Network(attempts=1, backoff=0.01, timeout=0.3, plain_localhost=True)
    with pytest.raises(ModelError, match=r"could not be downloaded from localhost"):
        download(card, network=hasty)


def test_passing_server_errors_are_tried_again_and_final_ones_are_not(server, home):
    card = make_card(server, statuses=[503, 429, 200])
    download(card, network=LOCAL)
    assert len(server.ranges("/enc.onnx")) == 3
    remove(card)
    for status, sentence in (
        (404, r"no longer at"),
        (403, r"refuses to give"),
        (400, "answered 400"),
    ):
        server.requests.clear()
        server.routes["/enc.onnx"].statuses = [status]
        with pytest.raises(ModelError, match=sentence):
            download(card, network=LOCAL)
        assert len(server.requests) == 1
    assert "enc.onnx" not in leftovers(home)


def test_without_a_connection_the_host_is_named(home):
    with run_server() as server:
        card = make_card(server)
    with pytest.raises(ModelError, match=r"localhost:\d+ \(no connection\); check the connection"):
        download(card, network=LOCAL)


def test_unpublished_hash_is_pinned_and_a_later_change_refused(server, home):
    card = make_card(server, hashed=False)
    download(card, network=LOCAL)
    remove(card)
    download(card, network=LOCAL)  # the same bytes again are fine
    remove(card)
    server.routes["/enc.onnx"].body = ENCODER[::-1]
    with pytest.raises(ModelError, match=r"downloaded here before.*remove small --forget"):
        download(card, network=LOCAL)
    assert "enc.onnx" not in leftovers(home)
    remove(card, forget=True)
    assert download(card, network=LOCAL)["encoder"].read_bytes() == ENCODER[::-1]


def test_an_unpinned_part_is_continued_only_if_the_file_is_still_the_same(server, home):
    card = make_card(server, hashed=False, etag='"v1"', cut_after=[30_000, 0, 0, 0])
    with pytest.raises(ModelError):
        download(card, network=LOCAL)
    route = server.routes["/enc.onnx"]
    route.body, route.etag, route.cut_after = ENCODER[::-1], '"v2"', []
    paths = download(card, network=LOCAL)
    assert server.requests[-2].range == "bytes=30000-"
    assert server.requests[-2].if_range == '"v1"'
    assert paths["encoder"].read_bytes() == ENCODER[::-1]  # not half of each


def test_an_unpinned_part_without_a_tag_is_started_over(server, home):
    card = make_card(server, hashed=False, cut_after=[30_000, 0, 0, 0])
    with pytest.raises(ModelError):
        download(card, network=LOCAL)
    server.routes["/enc.onnx"].cut_after.clear()
    server.routes["/enc.onnx"].body = ENCODER[::-1]
    assert download(card, network=LOCAL)["encoder"].read_bytes() == ENCODER[::-1]


def test_a_complete_part_needs_no_byte_more(server, home):
    card = make_card(server, hashed=False, etag='"v1"')
    part = home / "models/small/enc.onnx.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(ENCODER)
    part.with_name("enc.onnx.part.etag").write_text('"v1"')
    paths = download(card, network=LOCAL)
    assert paths["encoder"].read_bytes() == ENCODER
    assert sum(r.sent for r in server.requests if r.path == "/enc.onnx") == 0


def test_plain_http_is_refused_unless_a_test_allows_it(server, home):
    card = make_card(server)
    with pytest.raises(ModelError, match=r"only https addresses"):
        download(card)
    assert server.requests == []


def test_redirects_are_followed_but_not_to_plain_http(home, tmp_path, monkeypatch):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with run_server(context) as secure, run_server() as plain:
        there = secure.serve("/enc.onnx", ENCODER)
        here = secure.serve("/hop", redirect="/enc.onnx")
        part = tmp_path / "x.part"
        fetch(here, part, name="x", fixed=True)
        assert part.read_bytes() == ENCODER
        assert there.startswith("https://")
        part.unlink()
        down = secure.serve("/down", redirect=plain.serve("/enc.onnx", ENCODER))
        with pytest.raises(ModelError, match=r"localhost:\d+ redirects to http://.*not encrypted"):
            fetch(down, part, name="x", fixed=True)
        assert plain.requests == []
        assert not part.exists()
        loop = secure.serve("/loop", redirect="/loop")
        with pytest.raises(ModelError, match=r"redirects more than 10 times"):
            fetch(loop, part, name="x", fixed=True)


def test_an_untrusted_certificate_is_refused_at_once(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with run_server(context) as server:
        url = server.serve("/x", b"x")
        with pytest.raises(ModelError, match=r"certificate of localhost.*REQUESTS_CA_BUNDLE"):
            fetch(url, tmp_path / "x.part", name="x")
        assert server.requests == []


def test_the_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.base)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setattr(transfer, "_LOCALHOST", frozenset({"models.invalid"}))
    server.serve("http://models.invalid/x.onnx", b"through the proxy")
    fetch("http://models.invalid/x.onnx", tmp_path / "x.part", name="x", network=LOCAL)
    assert (tmp_path / "x.part").read_bytes() == b"through the proxy"


def test_the_mirror_is_asked_instead_and_its_bytes_are_checked(server, home, monkeypatch):
    card = ModelCard(
        id="small",
        name="Small",
        family="test",
        files=(
            ModelFile("encoder", "e.onnx", url="https://far.invalid/a/e.onnx", sha256=sha256(b"e")),
            ModelFile("decoder", "d.onnx", url="https://far.invalid/a/d.onnx", sha256=sha256(b"d")),
        ),
    )
    monkeypatch.setenv("NAPARI_SAM_ONNX_MIRROR", f"{server.base}/copies")
    server.serve("/copies/far.invalid/a/e.onnx", b"e")
    server.serve("/copies/far.invalid/a/d.onnx", b"forged")
    with pytest.raises(ModelError, match=r"d\.onnx.*not the file that was published"):
        download(card, network=LOCAL)
    server.serve("/copies/far.invalid/a/d.onnx", b"d")
    assert download(card, network=LOCAL)["decoder"].read_bytes() == b"d"


def test_a_full_disk_is_noticed_before(server, home, monkeypatch):
    card = make_card(server)
    usage = shutil.disk_usage(home.parent)._replace(free=1000)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ModelError, match=r"needs 102 kB more, but only 1 kB are free"):
        download(card, network=LOCAL)
    assert server.requests == []


def test_a_disk_that_fills_up_meanwhile_is_named_and_the_part_kept(server, home, monkeypatch):
    card = make_card(server, pause=0.001)
    original = Path.open

    class Full:
        """A buffered file on a disk with room for 50 kB: writing fails, and closing again."""

        def __init__(self, stream):
            self.stream = stream
            self.failed = False

        def write(self, chunk):
            if self.stream.tell() + len(chunk) > 50_000:
                self.failed = True
                self.stream.write(chunk[: 50_000 - self.stream.tell()])
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.stream.write(chunk)

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.stream.close()
            if self.failed:
                raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name):
            return getattr(self.stream, name)

    def open_full(path, mode="r", *args, **kwargs):
        stream = original(path, mode, *args, **kwargs)
        return Full(stream) if path.suffix == ".part" and mode in ("ab", "wb") else stream

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_full)
        with pytest.raises(
            ModelError, match=r"enc\.onnx\.part cannot be written: the disk is full"
        ):
            download(card, network=LOCAL)
    kept = (home / "models/small/enc.onnx.part").stat().st_size
    assert kept == 50_000
    assert not is_downloaded(card)
    download(card, network=LOCAL)
    assert server.ranges("/enc.onnx") == [None, f"bytes={kept}-"]


def _download_in_a_process(card: ModelCard, started, results) -> None:
    started.wait()
    try:
        results.put(sorted(str(path) for path in download(card, network=LOCAL).values()))
    except Exception as error:
        results.put(repr(error))


@pytest.mark.parametrize("text", [b"<html>login</html>", b"version https://git-lfs.github.com"])
def test_text_is_never_pinned_as_a_model(server, home, text):
    card = make_card(server, hashed=False)
    server.routes["/enc.onnx"].body = text
    with pytest.raises(ModelError, match=r"answered with text instead of enc\.onnx"):
        download(card, network=LOCAL)
    assert leftovers(home) == set()
    server.routes["/enc.onnx"].body = ENCODER
    assert download(card, network=LOCAL)["encoder"].read_bytes() == ENCODER


def test_a_web_page_is_refused_by_its_type(server, home):
    card = make_card(server, content_type="text/html; charset=utf-8")
    with pytest.raises(ModelError, match=r"web page instead of enc\.onnx"):
        download(card, network=LOCAL)
    assert leftovers(home) == set()


def test_two_processes_at_once_fetch_once_and_both_succeed(server, home):
    card = make_card(server, pause=0.005)
    spawn = multiprocessing.get_context("spawn")
    started, results = spawn.Event(), spawn.Queue()
    workers = [
        spawn.Process(target=_download_in_a_process, args=(card, started, results))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    started.set()
    answers = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(timeout=30)
        assert worker.exitcode == 0
    assert (
        answers[0]
        == answers[1]
        == [str(home / "models/small" / n) for n in ("dec.onnx", "enc.onnx")]
    )
    assert server.ranges("/enc.onnx") == [None]
    assert server.ranges("/dec.onnx") == [None]


def make_zip(members: dict[str, bytes]) -> bytes:
    memory = BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return memory.getvalue()


def make_zip_card(server: FileServer, body: bytes, **options: object) -> ModelCard:
    archive = Archive(server.serve("/all.zip", body, **options), len(body), sha256(body))
    return ModelCard(
        id="small",
        name="Small",
        family="test",
        files=(
            ModelFile("encoder", "enc.onnx", archive=archive, member="enc.onnx"),
            ModelFile(
                "decoder", "dec.onnx", archive=archive, member="dec.onnx", sha256=sha256(DECODER)
            ),
        ),
    )


def test_members_are_taken_from_a_zip_that_is_fetched_once(server, home):
    body = make_zip({"deep/folder/enc.onnx": ENCODER, "dec.onnx": DECODER, "README": b"hi"})
    card = make_zip_card(server, body, cut_after=[100])
    paths = download(card, network=LOCAL)
    assert paths["encoder"].read_bytes() == ENCODER
    assert paths["decoder"].read_bytes() == DECODER
    assert server.ranges("/all.zip") == [None, "bytes=100-"]
    assert leftovers(home) == {"enc.onnx", "dec.onnx"}


def test_a_zip_cannot_write_outside_the_models_folder(server, home):
    evil = {"../../evil.onnx": b"evil", "/tmp/evil.onnx": b"evil", "../enc.onnx": ENCODER}
    card = make_zip_card(server, make_zip({**evil, "dec.onnx": DECODER}))
    before = {path for path in home.parent.rglob("*") if path.is_file()}
    download(card, network=LOCAL)
    new = {path for path in home.parent.rglob("*") if path.is_file()} - before
    assert {path.relative_to(home).parts[0] for path in new} <= {
        "models",
        "locks",
        "hashes.json",
        "hashes.lock",
    }
    assert leftovers(home) == {"enc.onnx", "dec.onnx"}


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"enc.onnx": ENCODER}, r"not hold exactly one 'dec\.onnx'; it holds enc\.onnx"),
        ({"a/enc.onnx": b"1", "b/enc.onnx": b"2", "dec.onnx": DECODER}, r"exactly one 'enc\.onnx'"),
        ({"enc.onnx": ENCODER, "dec.onnx": b"other"}, r"dec\.onnx in all\.zip is not the file"),
        ({"enc.onnx": bytes(1 << 25), "dec.onnx": DECODER}, r"claims to be 33554432 bytes"),
    ],
)
def test_a_zip_without_the_right_members_is_refused(server, home, members, sentence):
    card = make_zip_card(server, make_zip(members))
    with pytest.raises(ModelError, match=sentence):
        download(card, network=LOCAL)
    assert not is_downloaded(card)


def test_a_damaged_zip_is_refused(server, home):
    body = make_zip({"enc.onnx": os.urandom(5000), "dec.onnx": DECODER})
    spoilt = body[:200] + b"\xff" * 200 + body[400:]
    card = make_zip_card(server, spoilt)
    with pytest.raises(ModelError, match=r"all\.zip is damaged or no zip"):
        download(card, network=LOCAL)
    card = make_zip_card(server, b"not a zip at all")
    shutil.rmtree(models_dir() / "small")
    with pytest.raises(ModelError, match=r"all\.zip is damaged or no zip"):
        download(card, network=LOCAL)
    assert not leftovers(home) & {"enc.onnx", "dec.onnx"}


def test_an_unhashed_zip_that_was_damaged_is_fetched_anew(server, home):
    good = make_zip({"enc.onnx": ENCODER, "dec.onnx": DECODER})
    card = make_zip_card(server, good)
    archive = Archive(card.files[0].archive.url)
    files = tuple(replace(file, archive=archive) for file in card.files)
    card = replace(card, files=files)
    server.routes["/all.zip"].body = good[:-30]
    with pytest.raises(ModelError, match=r"all\.zip is damaged or no zip"):
        download(card, network=LOCAL)
    server.routes["/all.zip"].body = good
    assert download(card, network=LOCAL)["encoder"].read_bytes() == ENCODER
    remove(card)
    server.routes["/all.zip"].body = make_zip({"enc.onnx": b"new", "dec.onnx": DECODER})
    with pytest.raises(ModelError, match=r"all\.zip.*downloaded here before"):
        download(card, network=LOCAL)
