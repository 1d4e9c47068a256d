"""Objects followed through planes: both ways, along any axis, corrected, missing, in regions."""

import numpy as np
import pytest

import napari_sam_onnx as nso
from napari_sam_onnx.masks.regions import Region
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.planes import ArrayPlanes
from napari_sam_onnx.prompting.propagate import propagate
from napari_sam_onnx.prompts import PromptError, make_prompts
from tests.models.memory_files import build_memory_files
from tests.models.onnx.memory.test_memory_model import BLUE, RED, SHAPE, click, draw


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    opened = nso.load_model(build_memory_files(tmp_path_factory.mktemp("memory")))
    yield opened
    opened.close()


def make_planes(frames, axes="ZYXC"):
    return ArrayPlanes(np.stack(frames), axes)


def moving(count=6):
    return [draw((25, 25 + 10 * n, RED), (72, 100 - 10 * n, BLUE)) for n in range(count)]


def place(found):
    mask = np.asarray(found.mask)
    return np.argwhere(mask).mean(axis=0) if mask.any() else None


def test_two_objects_from_different_planes_are_followed_both_ways(model):
    asked = {1: {1: click(25, 35)}, 5: {4: click(72, 60)}}
    found = {(f.number, f.index): f for f in propagate(model, make_planes(moving()), asked)}
    assert set(found) == {(number, (z,)) for number in (1, 5) for z in range(6)}
    for z in range(6):
        assert np.allclose(place(found[1, (z,)]), (25, 25 + 10 * z), atol=3)
        assert np.allclose(place(found[5, (z,)]), (72, 100 - 10 * z), atol=3)
    assert {key for key, one in found.items() if one.pointed} == {(1, (1,)), (5, (4,))}
    assert all(one.score > 0.9 for one in found.values())


@pytest.mark.parametrize(
    ("direction", "planes"), [("forwards", [2, 3, 4, 5]), ("backwards", [2, 1, 0])]
)
def test_one_direction_alone(model, direction, planes):
    asked = {1: {2: click(25, 45)}}
    steps = propagate(model, make_planes(moving()), asked, direction=direction)
    assert [found.index[0] for found in steps] == planes


def test_each_plane_is_encoded_once_for_all_objects(model):
    class Counting(nso.cache.EmbeddingCache):
        puts = 0

        def put(self, key, embedding):
            self.puts += 1
            super().put(key, embedding)

    cache = Counting()
    asked = {1: {0: click(25, 25)}, 2: {0: click(72, 100)}}
    list(propagate(model, make_planes(moving()), asked, cache=cache))
    assert cache.puts == 6


def test_an_axis_among_several_and_a_place_on_the_others(model):
    frames = np.stack([moving(3), moving(3)[::-1]])  # TZ
    planes = ArrayPlanes(frames, "TZYXC")
    asked = {1: {0: click(25, 25)}}
    found = list(propagate(model, planes, asked, axis="z", at=(0, 0)))
    assert [one.index for one in found] == [(0, 0), (0, 1), (0, 2)]
    asked = {1: {1: click(25, 45)}}
    found = list(propagate(model, planes, asked, axis="T", at=(0, 0)))
    assert [one.index for one in found] == [(1, 0), (0, 0)]
    assert np.allclose(place(found[1]), (25, 25), atol=3)
    with pytest.raises(PromptError, match="along which axis"):
        propagate(model, planes, asked)
    with pytest.raises(PromptError, match="no axis 'C'"):
        propagate(model, planes, asked, axis="C")
    with pytest.raises(PromptError, match="one index for each"):
        propagate(model, planes, asked, axis="Z", at=(0,))


def test_a_correction_counts_from_its_plane_on(model):
    # both are red: the click on plane 2 says that the lower one is meant, which is brighter
    frames = [draw((30, 40, (150, 40, 40)), (70, 90, (220, 40, 40))) for _ in range(5)]
    asked, corrected = {1: {0: click(30, 40)}}, {1: {2: click(70, 90)}}
    found = list(propagate(model, make_planes(frames), asked, corrections=corrected))
    assert [one.pointed for one in found] == [True, False, True, False, False]
    assert np.allclose(place(found[1]), (30, 40), atol=3)
    assert np.allclose(place(found[2]), (70, 90), atol=3)
    with pytest.raises(PromptError, match="nobody said"):
        propagate(model, make_planes(frames), asked, corrections={2: {1: click(70, 90)}})


def test_what_hides_is_missing_and_found_again_unless_patience_ends(model):
    frames = [draw((40, 40, RED)), draw(), draw(), draw((40, 40, RED))]
    asked = {1: {0: click(40, 40)}}
    found = list(propagate(model, make_planes(frames), asked))
    assert [bool(one.mask) for one in found] == [True, False, False, True]
    assert found[1].score < 0.5 < found[3].score
    found = list(propagate(model, make_planes(frames), asked, patience=2))
    assert [one.index[0] for one in found] == [0, 1, 2]


def test_a_blank_plane_is_passed_over(model):
    stack = np.stack([frame.mean(axis=-1) for frame in moving(3)])
    stack[1] = np.nan
    asked = {1: {0: click(25, 25)}}
    found = list(propagate(model, ArrayPlanes(stack, "ZYX"), asked))
    assert [bool(one.mask) for one in found] == [True, False, True]
    with pytest.raises(PromptError, match="Plane 1 is empty"):
        list(propagate(model, ArrayPlanes(stack, "ZYX"), {1: {1: click(25, 25)}}))


def test_a_region_is_looked_at_and_masks_stay_in_plane_pixels(model):
    frames = [np.pad(frame, ((100, 0), (200, 0), (0, 0))) for frame in moving(3)]
    region = Region((100, 200, 196, 328), 0.5)
    asked = {1: {0: make_prompts([(125, 225)], plane_shape=(196, 328))}}
    found = list(propagate(model, make_planes(frames), asked, region=region))
    for z, one in enumerate(found):
        assert one.mask.shape == (196, 328)
        assert np.allclose(place(one), (125, 225 + 10 * z), atol=3)
    with pytest.raises(PromptError, match="outside the part"):
        asked = {1: {0: make_prompts([(20, 20)], plane_shape=(196, 328))}}
        propagate(model, make_planes(frames), asked, region=region)


def test_what_cannot_be_followed_is_refused_at_once(model):
    planes = make_planes(moving(3))
    with pytest.raises(PromptError, match="nothing to follow"):
        propagate(model, planes, {1: {}})
    with pytest.raises(PromptError, match="no plane 3 along Z"):
        propagate(model, planes, {1: {3: click(40, 40)}})
    with pytest.raises(PromptError, match="single plane"):
        propagate(model, ArrayPlanes(moving(1)[0], "YXC"), {1: {0: click(40, 40)}})
    with pytest.raises(PromptError, match="A direction is"):
        propagate(model, planes, {1: {0: click(40, 40)}}, direction="up")
    pebble = nso.load_model("pebble")
    with pytest.raises(ModelError, match="pebble does not remember"):
        propagate(pebble, planes, {1: {0: click(40, 40)}})
    pebble.close()


def test_a_correction_may_be_background_alone():
    assert len(make_prompts([(1, 1)], [0], plane_shape=SHAPE, alone=False).points) == 1
    with pytest.raises(PromptError, match="needs a point or a box"):
        make_prompts(plane_shape=SHAPE, alone=False)
