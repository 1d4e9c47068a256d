"""One object by a model's memory: hidden planes, masks that stay, a span."""

import numpy as np
import pytest

import napari_sam_onnx as nso
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.stacks.carry_object import carry_object
from tests.models.memory_files import build_memory_files
from tests.models.onnx.memory.test_memory_model import BLUE, RED, draw

PLACES = [25, 100, 40, None, None, 90, 30]
STACK = np.stack([draw((72, 60, BLUE), *([] if x is None else [(25, x, RED)])) for x in PLACES])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    opened = nso.load_model(build_memory_files(tmp_path_factory.mktemp("memory")))
    yield opened
    opened.close()


def find(model, known, **options):
    return carry_object(STACK, model, known, "ZYXC", **options)


def test_it_is_hidden_and_found_again(model):
    steps = []
    masks = find(model, {1: (25, 100)}, progress=steps.append)
    assert sorted(masks) == [0, 1, 2, 5, 6]
    for plane, mask in masks.items():
        centre = np.argwhere(np.asarray(mask)).mean(axis=0)
        np.testing.assert_allclose(centre, (25, PLACES[plane]), atol=3)
    assert [(s.plane, s.reason) for s in steps if s.mask is None] == [(3, "not seen on 2 planes")]


def test_a_mask_stays_as_it_is_and_its_box_is_what_the_model_is_told(model):
    drawn = np.zeros(STACK.shape[1:3], bool)
    drawn[20:31, 95:106] = True
    masks = find(model, {1: drawn})
    np.testing.assert_array_equal(np.asarray(masks[1]), drawn)
    assert sorted(masks) == [0, 1, 2, 5, 6]
    every = dict(masks)
    assert sorted(find(model, every)) == sorted(every)


def test_a_span_bounds_it(model):
    assert sorted(find(model, {2: (25, 40)}, span=(1, 5))) == [1, 2, 5]
    with pytest.raises(ImageError, match="beyond 3 to 5"):
        find(model, {2: (25, 40)}, span=(3, 5))
    with pytest.raises(ImageError, match="on no plane"):
        find(model, {})
