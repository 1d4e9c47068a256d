"""Bright and dark blobs: found, sized, told apart, asked about."""

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_onnx import automask
from napari_sam_onnx.automatic.finders.blobs import _keep_stronger, find_blobs
from tests.fakes import ComponentModel


def soft_discs(discs, shape=(160, 220), blur=1.5):
    y, x = np.mgrid[: shape[0], : shape[1]]
    picture = np.zeros(shape)
    for cy, cx, radius, height in discs:
        picture = np.maximum(picture, height * (np.hypot(y - cy, x - cx) <= radius))
    return ndimage.gaussian_filter(picture, blur)


def as_rgb(picture):
    return np.repeat((picture * 255).round().astype(np.uint8)[..., None], 3, axis=2)


DISCS = [(30.0, 30.0, 6.0, 1.0), (40.0, 120.0, 20.0, 0.5), (120.0, 60.0, 12.0, 0.2)]


@pytest.mark.parametrize("min_radius", [3.0, 5.0])
def test_blobs_are_found_with_their_centre_and_radius(min_radius):
    blobs = find_blobs(as_rgb(soft_discs(DISCS)), min_radius, 30)
    assert len(blobs) == len(DISCS)
    for cy, cx, radius, _ in DISCS:
        y, x, r = blobs[np.argmin(np.hypot(blobs[:, 0] - cy, blobs[:, 1] - cx))]
        assert np.hypot(y - cy, x - cx) < 1.5
        assert r == pytest.approx(radius, rel=0.2)


def test_blobs_are_as_bright_or_dark_as_asked_and_as_strong():
    bright = as_rgb(0.5 + 0.4 * soft_discs(DISCS[:2]))
    dark = as_rgb(0.5 - 0.4 * soft_discs(DISCS[:2]))
    assert len(find_blobs(bright, 4, 30, "bright")) == len(find_blobs(dark, 4, 30, "dark")) == 2
    near = [
        tuple(b)
        for b in find_blobs(dark, 4, 30, "bright")
        if any(np.hypot(b[0] - d[0], b[1] - d[1]) < 3 for d in DISCS)
    ]
    assert not near
    both = find_blobs(np.concatenate([bright, dark]), 4, 30, "both", 0.1)
    assert len(both) >= 4
    faint = as_rgb(soft_discs(DISCS))
    assert len(find_blobs(faint, 4, 30, contrast=0.3)) == 2
    assert len(find_blobs(faint, 4, 30, contrast=0.7)) == 1
    assert not len(find_blobs(as_rgb(np.full((40, 40), 0.5)), 4, 30))


def test_a_blob_of_any_colour_is_found():
    for sample in range(3):
        rgb = np.zeros((160, 220, 3), np.uint8)
        rgb[..., sample] = as_rgb(soft_discs(DISCS[:1]))[..., 0]
        assert len(find_blobs(rgb, 4, 30)) == 1


def test_the_stronger_of_two_blobs_that_hold_each_other_stays():
    random = np.random.default_rng(0)
    blobs = np.column_stack([random.uniform(0, 90, (300, 2)), random.uniform(2, 9, 300)])
    strength = random.uniform(0, 1, 300).astype(np.float32).round(2)
    left, expected = np.argsort(-strength, kind="stable"), []
    while left.size:
        head, left = left[0], left[1:]
        expected.append(head)
        distance = np.hypot(*(blobs[left, :2] - blobs[head, :2]).T)
        left = left[distance > np.maximum(blobs[left, 2], blobs[head, 2])]
    assert 10 < len(expected) < 250
    np.testing.assert_array_equal(_keep_stronger(blobs, strength), blobs[expected])
    for count in (0, 1):
        assert len(_keep_stronger(blobs[:count], strength[:count])) == count


def test_blobs_are_boxed_for_a_model_that_does_not_see_objects_by_itself():
    class Plain(ComponentModel):
        def propose(self, embedding):
            return None

    rgb = as_rgb(soft_discs(DISCS))
    for model, boxed in ((ComponentModel(), False), (Plain(), True)):
        asked = []
        decode = model.decode

        def note(embedding, prompts, asked=asked, decode=decode):
            asked.extend(prompts)
            return decode(embedding, prompts)

        model.decode = note
        automask(rgb, model, "blobs")
        assert asked and all((prompt.box is not None) == boxed for prompt in asked)
