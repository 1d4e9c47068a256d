"""Acts are read as they were written, refuse what is no act, and change labels on disk too."""

import json

import numpy as np
import pytest
import zarr

from napari_sam_onnx.labels.rules import Rules
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.pictures.image import Channel
from napari_sam_onnx.records.acts import Accepted, Act, ActError, Area, Change, Look
from napari_sam_onnx.records.follow import follow
from tests.fakes import ComponentModel, draw_discs

GRAY = Channel(0, limits=(0.0, 255.0))
LOOK = Look(((20.0, 20.0),), (1,))


def act(**changes):
    said = {
        "what": "objects 4",
        "objects": (Accepted(4, (LOOK,)),),
        "axes": "YX",
        "channels": (GRAY,),
        "model": "component",
        "fingerprint": "component",
    }
    return Act(**{**said, **changes})


def run(acts, picture, labels=None, axes=None):
    made = np.zeros(picture.shape, np.uint32) if labels is None else labels
    assert list(follow(acts, picture, made, lambda _: ComponentModel(), axes)) == [
        number + 1 for number in range(len(acts))
    ]
    return made


def test_pixels_are_kept_as_runs():
    plane = draw_discs((30, 40), [(12, 20)], 6) > 0
    area = Area.of_mask(Mask.from_array(plane))
    assert len(area.runs) == 2 * 13  # one run a row
    np.testing.assert_array_equal(np.asarray(area.to_mask()), plane)
    assert not len(Area((3, 3), ()).pixels)


def test_an_act_is_read_as_it_was_written():
    box = Look(box=(1.0, 2.0, 8.0, 9.0), candidate=2)
    area = Area((30, 40), (3, 4, 50, 2))
    first = act(
        objects=(Accepted(4, (LOOK, box), opened=area, replaces=True), Accepted(5, area=area)),
        rules=Rules("split", 1.5, 20, True),
        index=(),
        model=("encoder.onnx", "decoder.onnx"),
    )
    second = Act("deleted 5", (Change(0, area),))
    for one in (first, second):
        assert Act.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_objects_are_asked_again_and_written_by_their_number():
    picture = draw_discs((60, 70), [(20, 20), (40, 50)], 8)
    made = run([act(), act(objects=(Accepted(9, (Look(((40.0, 50.0),), (1,)),)),))], picture)
    assert (made[20, 20], made[40, 50]) == (4, 9)
    np.testing.assert_array_equal(made > 0, picture > 0)


def test_pixels_of_a_stack_on_disk_are_set(tmp_path):
    shape = (3, 20, 30)
    labels = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=shape, dtype="uint32", chunks=(1, 20, 30)
    )
    wanted = np.zeros(shape, np.uint32)
    wanted[0, 2:5, 3:9] = wanted[2, 10:12] = 7
    area = Area.of_pixels(np.flatnonzero(wanted), shape)
    picture = np.zeros(shape, np.uint8)
    run([Act("edit", (Change(7, area),))], picture, labels)
    np.testing.assert_array_equal(np.asarray(labels[:]), wanted)


def test_channels_may_lie_in_the_file():
    picture = np.stack([draw_discs((60, 70), [(20, 20)], 8), np.zeros((60, 70), np.uint8)])
    made = run([act()], picture, np.zeros((60, 70), np.uint32), "CYX")
    assert made[20, 20] == 4
    with pytest.raises(ActError, match="of the axes YX; this one has 3"):
        run([act()], picture, np.zeros((60, 70), np.uint32))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fingerprint": "another"}, "made with another, and component is component here"),
        ({"objects": (Accepted(4),)}, "does not say how object 4 was made"),
        ({"objects": (Accepted(4, (Look(((50.0, 5.0),), (1,)),)),)}, "Object 4 cannot be written"),
        (
            {"objects": (Accepted(4, (Look(((20.0, 20.0),), (1,), candidate=7),)),)},
            "no candidate 8",
        ),
        ({"objects": (Accepted(4, area=Area((5, 5), (0, 3))),)}, r"for planes of \(5, 5\)"),
        ({"changes": (Change(1, Area((5, 5), (0, 3))),)}, "these are"),
    ],
)
def test_what_cannot_be_done_again_is_said(changes, sentence):
    with pytest.raises(ActError, match=sentence):
        run([act(**changes)], draw_discs((60, 70), [(20, 20)], 8))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"unheard": 1}, "cannot be read"),
        ({"objects": [{"looks": []}]}, "cannot be read"),
        ({"objects": 3}, "cannot be read"),
        ({"objects": [{"label": 1, "looks": [{"points": [[1, 2]]}]}]}, "not one sign"),
        ({"objects": [{"label": 1, "area": {"shape": [2, 2], "runs": [3, 4]}}]}, "outside"),
        ({"channels": [3]}, "cannot be read"),
        ({"rules": {"overlaps": "keep"}}, "cannot be read"),
    ],
)
def test_what_is_no_act_is_refused(changes, sentence):
    with pytest.raises(ActError, match=sentence):
        Act.from_dict({**act().to_dict(), **changes})
