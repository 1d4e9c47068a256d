"""Objects that look like a few examples."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_onnx import find_similar
from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.automatic.taught.compare import ALIKE, _find_least, compare_features
from napari_sam_onnx.automatic.taught.looks import describe_masks
from napari_sam_onnx.embedding import Embedding
from napari_sam_onnx.masks.mask import Mask
from tests.fakes import ComponentModel, draw_discs

CENTERS = [(y, x) for y in (20, 60, 100) for x in (20, 60, 100)]
LABELS = ndimage.label(draw_discs((120, 120), CENTERS, 9))[0]
KIND = np.array([0, 1, 0, 1, 0, 1, 0, 1, 0])  # by label, from 1
PICTURE = np.zeros((120, 120, 3), np.uint8)
for color in (0, 1):  # red and green
    PICTURE[..., color] = 255 * np.isin(LABELS, 1 + np.flatnonzero(color == KIND))


class Seeing(ComponentModel):
    """Its features tell two kinds of discs apart, at a quarter of the plane's resolution."""

    def encode(self, image):
        made = super().encode(image)
        components = np.asarray(made.tensors["components"])[::4, ::4]
        kinds = np.concatenate([[2], KIND])[components]
        maps = np.stack([kinds == k for k in (0, 1, 2)] * 3).astype(np.float32)
        return replace(made, tensors={**made.tensors, "maps": maps[None]})


def kinds_of(masks):
    return {int(KIND[LABELS[m.slices][m.crop][0] - 1]) for m in masks}


def test_what_looks_like_the_examples_is_found():
    found = find_similar(PICTURE, Seeing(), LABELS, [1, 3], mode="objects")
    assert len(found.found.choose()) == 9
    chosen = found.choose(0.5)
    assert len(chosen) == 5 and kinds_of(chosen) == {0}
    assert found.paint(0.5).max() == 5
    assert len(found.choose(-1)) == 9
    assert found.choose(0.5, min_area=1000) == []


class Doubting(Seeing):
    """Is less sure of each next disc."""

    def decode(self, embedding, prompts):
        made = super().decode(embedding, prompts)
        at = [np.round(p.points[0]).astype(int) for p in prompts]
        sure = 1 - 0.07 * np.array([LABELS[y, x] for y, x in at], np.float32)
        return replace(made, predicted_iou=np.repeat(sure[:, None], made.predicted_iou.shape[1], 1))


def test_examples_vouch_for_what_the_model_doubts():
    find = partial(find_similar, PICTURE, Doubting(), LABELS, [1, 3], mode="objects")
    found = find()
    least = found.found.selection.min_rating
    assert found.selection == found.found.selection.change(min_rating=0.8 * least)
    ratings = [mask.rating for mask in found.choose()]
    assert 0.8 * least <= min(ratings) < least
    assert min(mask.rating for mask in found.choose(min_rating=least)) >= least
    assert find(min_rating=least).selection.min_rating == least  # who asks for a rating gets it


def test_counter_examples_push_away():
    alone = find_similar(PICTURE, Seeing(), LABELS, [1], mode="objects")
    against = find_similar(PICTURE, Seeing(), LABELS, [1], [2], mode="objects")
    other = [i for i, mask in enumerate(against.found.masks) if kinds_of([mask]) == {1}]
    assert (against.similarity[other] < alone.similarity[other]).all()
    assert (against.similarity[other] < 0).all()
    same = [i for i in range(9) if i not in other]
    np.testing.assert_allclose(against.similarity[same], alone.similarity[same])


def test_all_labels_are_examples_unless_told():
    only = np.where(LABELS == 4, 7, 0)  # of the other kind
    assert kinds_of(find_similar(PICTURE, Seeing(), only, mode="objects").choose()) == {1}


def test_a_size_that_was_not_shown_counts_for_less():
    picture = draw_discs((120, 120), [(20, 20), (20, 60)], 5) | draw_discs(
        (120, 120), [(80, 60)], 30
    )
    labels = np.where(ndimage.label(picture)[0] == 1, 1, 0)
    found = find_similar(picture, Seeing(), labels, mode="objects")
    areas = [mask.area for mask in found.found.masks]
    assert found.similarity[np.argmin(areas)] > 3 * found.similarity[np.argmax(areas)]


def test_another_plane_is_searched():
    moved = np.roll(PICTURE, 5, axis=0)
    found = find_similar(PICTURE, Seeing(), LABELS, [1], mode="objects", others=moved)
    assert {mask.bbox[0] for mask in found.choose()} == {16, 56, 96}


def test_features_are_averaged_where_the_mask_lies():
    maps = np.zeros((1, 8, 4, 4), np.float32)
    maps[0, :, 1, 2] = 4
    embedding = Embedding({"maps": maps}, (40, 40), (16, 16), "m")  # a cell has 10 pixels
    rgb = np.zeros((40, 40, 3), np.uint8)
    inside = Mask((40, 40), (10, 20), np.ones((10, 10), bool))
    half = Mask((40, 40), (10, 15), np.ones((10, 10), bool))
    one, two = describe_masks(embedding, rgb, [inside, half])[:, 0] * np.sqrt(8)
    spread, middle = maps[0, 0].std(), maps[0, 0].mean()
    assert one == pytest.approx((4 - middle) / spread, rel=1e-4)
    assert two == pytest.approx((2 - middle) / spread, rel=1e-4)


def test_similarity_is_a_cosine():
    features = np.array([[1.0, 0], [0, 1], [-2, 0], [1, 1]])
    none = np.zeros((0, 2))
    similarity = compare_features(features, np.array([[3.0, 0]]), none)
    np.testing.assert_allclose(similarity, [1, 0, -1, np.sqrt(0.5)], atol=1e-9)
    against = compare_features(features, np.array([[3.0, 0]]), np.array([[0, 1.0]]))
    np.testing.assert_allclose(against, [1, -1, -1 - 0, np.sqrt(0.5)], atol=1e-9)


def test_examples_that_do_not_fit_are_refused():
    with pytest.raises(ParameterError, match="no label 70"):
        find_similar(PICTURE, Seeing(), LABELS, [70])
    with pytest.raises(ParameterError, match="no example"):
        find_similar(PICTURE, Seeing(), np.zeros_like(LABELS))
    with pytest.raises(ParameterError, match="of one size"):
        find_similar(PICTURE, Seeing(), LABELS[:50])
    with pytest.raises(ParameterError, match="no map of features"):
        find_similar(PICTURE, ComponentModel(), LABELS, [1], mode="objects")


def test_examples_that_differ_much_let_others_differ_as_much():
    alike = np.array([[1.0, 0.1, 0], [1.0, -0.1, 0], [1.0, 0, 0.1]])
    apart = np.array([[1.0, 1.5, 0], [1.0, -1.5, 0], [1.0, 0, 1.5]])
    other = np.array([[1.0, 0, -1.5]])  # as far from the mean as the examples that differ
    none = np.zeros((0, 3))
    assert compare_features(other, alike, none)[0] < 0.5 < compare_features(other, apart, none)[0]
    # what is exactly as alike as the least example is rated 0.5; two examples say nothing
    far = np.array([[1.0, 0, 0], [1.0, 0, 0], [0.2, 1.0, 0]])
    least = (far[2] @ far[0]) / np.linalg.norm(far[2])
    assert _find_least(far) == pytest.approx(least)
    assert _find_least(alike) == ALIKE and _find_least(far[1:]) == 0.5
