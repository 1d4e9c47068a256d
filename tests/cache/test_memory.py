import numpy as np

from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.embedding import Embedding


def embedding(nbytes):
    return Embedding({"x": np.zeros(nbytes, np.uint8)}, (1, 1), (1, 1), "m")


def test_the_least_recently_used_goes_first_and_bytes_are_counted():
    cache = EmbeddingCache(max_bytes=25)
    cache.put("a", embedding(10))
    cache.put("b", embedding(10))
    assert cache.get("a") is not None
    cache.put("c", embedding(10))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert cache.nbytes == 20


def test_the_newest_stays_even_where_it_is_too_large():
    cache = EmbeddingCache(max_bytes=5)
    cache.put("a", embedding(10))
    assert cache.get("a") is not None
    cache.put("b", embedding(20))
    assert cache.get("a") is None
    assert cache.nbytes == 20


def test_what_is_not_wanted_goes_and_is_not_counted():
    cache = EmbeddingCache()
    cache.put("a", embedding(10))
    cache.put("b", embedding(7))
    cache.drop(lambda kept: kept.nbytes > 7)
    assert cache.get("a") is None and cache.get("b") is not None
    assert (cache.nbytes, len(cache)) == (7, 1)


def test_replacing_an_entry_does_not_count_it_twice():
    cache = EmbeddingCache()
    cache.put("a", embedding(10))
    cache.put("a", embedding(7))
    assert (cache.nbytes, len(cache)) == (7, 1)
    cache.clear()
    assert (cache.nbytes, len(cache)) == (0, 0)
