"""Two kinds of objects on a plane, told apart from a few examples of one."""

import numpy as np
import pytest

from napari_sam_onnx.automatic.taught.compare import rate_similar
from napari_sam_onnx.automatic.taught.kinds import AGREE, FEWEST, tell_apart
from napari_sam_onnx.automatic.taught.looks import Looks, look_at
from napari_sam_onnx.embedding import Embedding
from napari_sam_onnx.masks.mask import Mask

SIZE = 50.0


def draw_looks(seed, counts, apart, columns=12):
    """Objects of two kinds, which differ in one channel of brightness by so many spreads."""
    random = np.random.default_rng(seed)
    kind = np.repeat([0, 1], counts)
    seen = random.normal(size=(len(kind), columns + 3)) / np.sqrt(columns)
    glow = random.normal(size=(len(kind), 3))
    glow[:, 1] += apart * kind
    return Looks(seen, glow, np.full(len(kind), SIZE)), kind


NONE = draw_looks(0, (0, 0), 0)[0]


@pytest.mark.parametrize("count", [1, 3, 10])
def test_two_kinds_are_told_apart_from_a_few_examples_of_one(count):
    looks, kind = draw_looks(1, (60, 40), 12)
    score = tell_apart(looks, looks.take(np.flatnonzero(kind)[:count]), NONE, np.arange(100))
    np.testing.assert_array_equal(score >= 0.5, kind == 1)
    assert score[kind == 1].mean() == pytest.approx(1, abs=0.05)
    assert score[kind == 0].mean() == pytest.approx(0, abs=0.05)


def test_one_kind_is_not_cut_in_two():
    for seed in range(5):
        looks, _ = draw_looks(seed, (60, 40), 0)
        assert tell_apart(looks, looks.take(np.arange(10)), NONE, np.arange(100)) is None


def test_few_objects_say_nothing_of_kinds():
    looks, kind = draw_looks(1, (60, 40), 12)
    some = np.r_[0 : FEWEST // 2, 60 : 60 + FEWEST // 2]
    like = looks.take(np.flatnonzero(kind)[:5])
    assert tell_apart(looks, like, NONE, some) is not None
    assert tell_apart(looks, like, NONE, some[1:]) is None


def test_examples_of_both_kinds_ask_for_both():
    looks, kind = draw_looks(1, (60, 40), 12)
    mixed = looks.take([*np.flatnonzero(kind)[:8], *np.flatnonzero(kind == 0)[:2]])
    assert AGREE > 0.8
    assert tell_apart(looks, mixed, NONE, np.arange(100)) is None


def test_counter_examples_of_the_examples_kind_ask_for_another_cut():
    looks, _ = draw_looks(1, (60, 40), 12)
    like, same = looks.take([60, 61, 62, 63]), looks.take([64, 65])
    assert tell_apart(looks, like, looks.take([0, 1]), np.arange(100)) is not None
    assert tell_apart(looks, like, same, np.arange(100)) is None


def test_similarity_is_the_kind_and_at_most_the_size():
    looks, kind = draw_looks(1, (60, 40), 12)
    areas = looks.areas.copy()
    areas[60] = 64 * SIZE  # eight times as long: three octaves
    looks = Looks(looks.seen, looks.glow, areas)
    rated = rate_similar(looks, looks.take(np.arange(70, 80)), NONE, np.arange(100))
    assert rated.max() <= 1 and rated[60] == pytest.approx(np.exp(-4.5))
    np.testing.assert_array_equal(rated[np.arange(100) != 60] >= 0.5, np.delete(kind, 60) == 1)


def test_brightness_is_linear_near_the_ground_and_logarithmic_above():
    rgb = np.tile(np.array([8, 10, 12, 10, 10], np.uint8)[:, None], (1, 40))[..., None].repeat(3, 2)
    rgb[0, :10], rgb[0, 10:20], rgb[0, 20:30] = 12, 70, 130
    embedding = Embedding({"maps": np.zeros((1, 8, 5, 5), np.float32)}, (5, 40), (40, 40), "m")
    masks = [Mask((5, 40), (0, 10 * i), np.ones((1, 10), bool)) for i in range(3)]
    looks = look_at(embedding, rgb, masks)
    np.testing.assert_allclose(looks.glow[:, 0], np.arcsinh([1, 30, 60]), atol=1e-6)
    assert looks.areas.tolist() == [10, 10, 10]
    joined = Looks.join([looks, looks.take([2])])
    assert len(joined) == 4 and joined.glow[3, 1] == looks.glow[2, 1]
