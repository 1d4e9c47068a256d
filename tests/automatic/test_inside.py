"""All objects inside an outline."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam_onnx.automatic import inside
from napari_sam_onnx.automatic.inside import find_part, iterate_inside
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.generators import drive
from napari_sam_onnx.masks.regions import cut_region
from napari_sam_onnx.pictures.image import to_rgb
from tests.fakes import ComponentModel, draw_discs

CENTERS = ((30, 30), (30, 80), (75, 55), (75, 100))
RGB = to_rgb(draw_discs((120, 140), CENTERS, 8))
BOX = np.array([(10, 10), (10, 95), (60, 95), (60, 10)], float)


def find(outline, model=None, existing=None):
    return drive(
        iterate_inside(
            lambda region: cut_region(RGB, region),
            (120, 140),
            model or ComponentModel(),
            outline,
            existing,
            EmbeddingCache(),
        )
    )


def middles(masks):
    return sorted(tuple(np.argwhere(np.asarray(mask)).mean(axis=0).round()) for mask in masks)


def test_objects_inside_for_the_most_part_are_found():
    assert middles(find(BOX)) == [(30, 30), (30, 80)]
    cut = BOX.copy()
    cut[[1, 2], 1] = 78  # through the second disc, left of its middle
    assert middles(find(cut)) == [(30, 30)]


def test_what_is_labelled_is_left_alone():
    labels = np.zeros((120, 140), np.uint32)
    labels[20:41, 20:41] = 7
    assert middles(find(BOX, existing=labels.__getitem__)) == [(30, 80)]


class Unasked(ComponentModel):
    def propose(self, embedding):
        return None


@pytest.mark.parametrize("model", [ComponentModel, Unasked])
def test_of_a_large_plane_a_part_is_read(model, monkeypatch):
    monkeypatch.setattr(inside, "WHOLE", 100)
    made = model()
    seen = []
    encode = made.encode
    made.encode = lambda image: seen.append(image.shape) or encode(image)
    masks = find(BOX, made)
    assert middles(masks) == [(30, 30), (30, 80)]
    assert all(mask.shape == (120, 140) for mask in masks)
    assert max(shape[0] for shape in seen) < 120


def test_models_that_propose_nothing_look_at_the_part_alone():
    assert middles(find(BOX, Unasked())) == [(30, 30), (30, 80)]


def test_the_part_has_a_margin_and_ends_with_the_plane():
    assert find_part(BOX, (120, 140)).box == (0, 0, 93, 128)
