import numpy as np

from napari_sam_onnx.cache import EmbeddingCache, embedding_key
from napari_sam_onnx.embedding import Embedding


def embedding(nbytes):
    return Embedding({"x": np.zeros(nbytes, np.uint8)}, (1, 1), (1, 1), "m")


def test_the_key_follows_pixels_shape_and_model():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    other = image.copy()
    other[0, 0, 0] += 1
    keys = {
        embedding_key(image, "m"),
        embedding_key(other, "m"),
        embedding_key(image, "n"),
        embedding_key(image.reshape(2, 8, 3), "m"),
    }
    assert len(keys) == 4
    assert embedding_key(image.copy(), "m") == embedding_key(image, "m")
    assert embedding_key(image[::-1], "m") == embedding_key(image[::-1].copy(), "m")


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


def test_replacing_an_entry_does_not_count_it_twice():
    cache = EmbeddingCache()
    cache.put("a", embedding(10))
    cache.put("a", embedding(7))
    assert (cache.nbytes, len(cache)) == (7, 1)
    cache.clear()
    assert (cache.nbytes, len(cache)) == (0, 0)
