"""One key, one place that encodes, and stores that are all alike to it."""

import numpy as np
import pytest

from napari_sam_onnx.cache import (
    DiskCache,
    EmbeddingCache,
    EmbeddingStore,
    PartsCache,
    TieredCache,
    content_of,
    embedding_key,
    encode_again,
    encode_through,
)
from tests.fakes import ComponentModel, draw_discs

PICTURE = np.repeat(draw_discs((30, 40), [(10, 10)], 5)[..., None], 3, axis=2)


def test_the_key_follows_pixels_shape_and_model():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    other = image.copy()
    other[0, 0, 0] += 1
    pictures = [image, other, image.reshape(2, 8, 3)]
    keys = {embedding_key(content_of(picture), id_) for picture in pictures for id_ in ("m", "n")}
    assert len(keys) == 6
    assert content_of(image.copy()) == content_of(image)
    assert content_of(image[::-1]) == content_of(image[::-1].copy())


@pytest.fixture(params=["memory", "disk", "both"])
def store(request, tmp_path):
    memory, disk = EmbeddingCache(), DiskCache(tmp_path / "cache")
    return {"memory": memory, "disk": disk, "both": TieredCache(memory, disk)}[request.param]


def test_a_picture_is_encoded_once_by_each_model(store):
    assert isinstance(store, EmbeddingStore)
    one, other = ComponentModel("one"), ComponentModel("other")
    seconds = []
    first = encode_through(PICTURE, one, store, seconds.append)
    again = encode_through(PICTURE.copy(), one, store, seconds.append)
    assert (one.encoded, len(seconds)) == (1, 1)
    np.testing.assert_array_equal(again.tensors["components"], first.tensors["components"])
    assert (again.plane_shape, again.input_shape, again.model_id) == ((30, 40), (30, 40), "one")
    encode_through(PICTURE, other, store)
    assert other.encoded == 1
    encode_through(255 - PICTURE, one, store)
    assert one.encoded == 2


def test_a_picture_seen_by_another_model_is_read_only_where_it_is_not_kept(store):
    first, other = ComponentModel("one"), ComponentModel("other")
    read = []

    def picture():
        read.append(1)
        return PICTURE

    shown = encode_through(PICTURE, first, store)
    seen = [encode_again(shown, other, store, picture) for _ in range(3)]
    assert (other.encoded, len(read)) == (1, 1)
    assert all(embedding.model_id == "other" for embedding in seen)
    assert {embedding.content for embedding in (shown, *seen)} == {content_of(PICTURE)}
    encode_again(first.encode(255 - PICTURE), other, store, picture)  # nobody noted what it was
    assert (other.encoded, len(read)) == (1, 2)


def test_the_slow_store_outlasts_the_fast_one_and_fills_it(tmp_path):
    memory, disk = EmbeddingCache(), DiskCache(tmp_path)
    both, model = TieredCache(memory, disk), ComponentModel()
    encode_through(PICTURE, model, both)
    both.clear()
    assert (len(memory), disk.info().entries) == (0, 1)
    encode_through(PICTURE, model, both)
    assert (model.encoded, len(memory)) == (1, 1)
    both.drop(lambda _: True)
    assert (len(memory), disk.info().entries) == (0, 1)
    encode_through(PICTURE, model, both)
    disk.clear()
    encode_through(PICTURE, model, both)
    assert model.encoded == 1


@pytest.mark.parametrize("room", [True, False])
def test_parts_of_a_plane_are_kept_where_there_is_room_for_all(room):
    model, whole = ComponentModel(), EmbeddingCache()
    shown = encode_through(PICTURE, model, whole)
    whole.max_bytes = 3 * shown.nbytes if room else 2 * shown.nbytes
    parts = PartsCache(whole, 3)
    assert isinstance(parts, EmbeddingStore) and parts.max_bytes == whole.max_bytes
    pictures = [np.roll(PICTURE, step, axis=1) for step in (1, 2, 3)]
    for picture in pictures:
        encode_through(picture, model, parts)
        encode_through(picture, model, parts)  # the one used last is there in any case
    assert model.encoded == 4
    shown_key = embedding_key(content_of(PICTURE), model.id)
    assert (whole.get(shown_key) is None, len(whole)) == ((True, 3) if room else (False, 1))
    encode_through(pictures[0], model, parts)
    assert model.encoded == (4 if room else 5)
    parts.clear()
    assert not len(whole) and parts.get(shown_key) is None
