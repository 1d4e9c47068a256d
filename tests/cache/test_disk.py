"""A cache on disk is bounded and visible, believes no damaged file, and is safe to share."""

import os
import subprocess
import sys

import numpy as np
import pytest

from napari_sam_onnx.cache import DiskCache
from napari_sam_onnx.cache.disk import CacheError, pack, unpack
from napari_sam_onnx.embedding import Embedding

KEYS = [format(i, "032x") for i in range(10)]


def embedding(seed=0, count=1000):
    values = np.random.default_rng(seed).normal(size=(1, 2, count)).astype(np.float32)
    return Embedding({"image": values, "half": values[0].astype(np.float16)}, (3, 4), (6, 8), "m@1")


def equal(a, b):
    return (
        a.tensors.keys() == b.tensors.keys()
        and all(np.array_equal(a.tensors[k], b.tensors[k]) for k in a.tensors)
        and all(a.tensors[k].dtype == b.tensors[k].dtype for k in a.tensors)
        and (a.plane_shape, a.input_shape, a.model_id) == (b.plane_shape, b.input_shape, b.model_id)
    )


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "cache")


def test_what_was_kept_is_found_by_another_process_and_in_another_place(cache, tmp_path):
    cache.put(KEYS[0], embedding())
    moved = cache.folder.rename(tmp_path / "moved")
    assert equal(DiskCache(moved).get(KEYS[0]), embedding())
    assert DiskCache(moved).get(KEYS[1]) is None


def test_bytes_mean_the_same_on_a_machine_of_the_other_kind():
    big = np.arange(6, dtype=">f4").reshape(2, 3)[:, ::-1]
    there = unpack(pack(Embedding({"x": big, "flag": np.array(True)}, (1, 1), (1, 1), "m")))
    assert there.tensors["x"].dtype == np.dtype("<f4")
    np.testing.assert_array_equal(there.tensors["x"], big)
    assert there.tensors["flag"].shape == ()


@pytest.mark.parametrize("place", ["magic", "digest", "header", "values", "end", "empty", "longer"])
def test_a_damaged_entry_is_forgotten(cache, place, caplog):
    cache.put(KEYS[0], embedding())
    (path,) = cache.folder.iterdir()
    content = bytearray(path.read_bytes())
    at = {"magic": 2, "digest": 20, "header": 60, "values": len(content) // 2}.get(place)
    if at is not None:
        content[at] ^= 1
    elif place == "end":
        content = content[:-1]
    elif place == "empty":
        content = bytearray()
    else:
        content += b"x"
    path.write_bytes(content)
    assert cache.get(KEYS[0]) is None
    assert not path.exists()
    assert "is damaged" in caplog.text
    cache.put(KEYS[0], embedding())
    assert equal(cache.get(KEYS[0]), embedding())


def test_the_least_recently_used_go_beyond_the_bound(cache):
    size = len(pack(embedding()))
    cache.max_bytes = 4 * size
    for age, key in enumerate(KEYS[:4]):
        cache.put(key, embedding())
        os.utime(cache.folder / f"{key}.embedding", (age, age))
    assert cache.get(KEYS[0]) is not None  # used just now
    cache.put(KEYS[4], embedding())
    assert cache.get(KEYS[1]) is None
    assert cache.get(KEYS[0]) is not None and cache.get(KEYS[4]) is not None
    assert cache.info().nbytes <= cache.max_bytes


def test_what_is_larger_than_the_cache_is_not_kept_and_drives_nothing_out(cache):
    cache.put(KEYS[0], embedding())
    cache.max_bytes = len(pack(embedding()))
    with pytest.raises(CacheError, match="does not fit into a cache"):
        cache.write(KEYS[1], embedding(count=2000))
    assert cache.info().entries == 1


def test_clearing_leaves_what_is_not_ours(cache):
    cache.put(KEYS[0], embedding())
    (cache.folder / "thesis.txt").write_text("precious")
    (cache.folder / ".napari-sam-onnx-0123456789ab.part.embedding").write_text("left by a kill")
    assert cache.info().entries == 1
    cache.clear()
    assert os.listdir(cache.folder) == ["thesis.txt"]
    assert cache.info().entries == 0


def test_a_cache_that_cannot_be_written_harms_nobody_and_says_so_once(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    cache = DiskCache(tmp_path / "file" / "cache")
    for key in KEYS[:3]:
        cache.put(key, embedding())
    assert cache.get(KEYS[0]) is None
    assert len(caplog.records) == 1
    with pytest.raises(CacheError, match="cannot be written"):
        cache.write(KEYS[0], embedding())


def test_an_almost_full_disk_is_left_alone(cache, monkeypatch):
    class Usage:
        free = 10_000

    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage)
    with pytest.raises(CacheError, match="almost full"):
        cache.write(KEYS[0], embedding())
    assert cache.info().entries == 0


def test_a_read_only_cache_is_only_read(cache):
    cache.put(KEYS[0], embedding())
    reader = DiskCache(cache.folder, read_only=True)
    reader.put(KEYS[1], embedding())
    assert equal(reader.get(KEYS[0]), embedding())
    assert reader.info().entries == 1


WORKER = """
import sys, numpy as np
from pathlib import Path
from napari_sam_onnx.cache import DiskCache
from napari_sam_onnx.embedding import Embedding
cache = DiskCache(Path(sys.argv[1]), 60_000)
rng = np.random.default_rng(int(sys.argv[2]))
wrong = 0
for i in range(150):
    number = int(rng.integers(12))
    key = format(number, "032x")
    found = cache.get(key)
    if found is None:
        values = np.full(2000, number, np.float32)
        cache.put(key, Embedding({"x": values}, (1, 1), (1, 1), "m"))
    else:
        wrong += not (found.tensors["x"] == number).all()
print(wrong, cache.info().nbytes)
"""


def test_processes_share_a_cache(tmp_path):
    """Each finds the other's entries whole, while both write and delete beyond the bound."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, tmp_path, str(seed)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in (1, 2)
    ]
    for worker in workers:
        said, err = worker.communicate(timeout=60)
        assert (worker.returncode, err) == (0, "")
        wrong, used = map(int, said.split())
        assert wrong == 0
        assert used <= 2 * 60_000  # each bounds what it saw
    assert DiskCache(tmp_path).info().entries == len(list(tmp_path.iterdir()))
