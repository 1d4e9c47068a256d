import numpy as np
import pytest

from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.pictures.image import Channel, ImageError
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.stacks.stitch import Meeting, StitchParameters, stitch_planes


def stitch(labels, **settings):
    stitched = labels.copy()
    count, meetings = stitch_planes(ArrayLabels(stitched, "ZYX"), StitchParameters(**settings))
    return stitched, count, meetings


def column(planes=range(6), number=1, depth=6):
    """A square in some planes, with a number of its own in each."""
    labels = np.zeros((depth, 20, 20), np.uint32)
    for z in planes:
        labels[z, 2:8, 2:8] = number + z
    return labels


def test_sections_get_one_number():
    stitched, count, meetings = stitch(column())
    np.testing.assert_array_equal(stitched, (column() > 0).astype(np.uint32))
    assert (count, meetings) == (1, [])


def test_gaps_are_closed_and_filled_up_to_a_limit():
    broken = column([0, 1, 3, 4, 5])
    whole, count, _ = stitch(broken)
    assert count == 1 and (whole[2, 2:8, 2:8] == 1).all()
    apart, count, _ = stitch(broken, gap=0)
    assert count == 2 and not apart[2].any()
    wide = column([0, 1, 4, 5])
    assert stitch(wide)[1] == 2 and stitch(wide, gap=2)[1] == 1


def test_the_least_extent():
    labels = column()
    labels[3, 12:15, 12:15] = 99
    assert stitch(labels)[1] == 1 and stitch(labels, min_planes=1)[1] == 2
    assert stitch(labels, min_planes=1, min_voxels=10)[1] == 1
    assert stitch(labels, min_voxels=6 * 36 + 1)[1] == 0


def test_sections_that_hardly_overlap_are_two_objects():
    labels = column([0, 1, 2])
    labels[3:, 7:13, 2:8] = 7  # an IoU of 1/11
    assert stitch(labels)[1] == 2
    assert stitch(labels, min_iou=0.05)[1] == 1


def test_splits_and_merges_are_reported():
    labels = column([0, 1])
    labels[2:4, 2:8, 2:4] = 11
    labels[2:4, 2:8, 5:8] = 12
    labels[4:, 2:8, 2:8] = 13
    _, count, meetings = stitch(labels)
    assert count == 2
    assert meetings == [Meeting("split", 2, (1, 2)), Meeting("merge", 3, (1, 2))]


def test_bad_input():
    with pytest.raises(ImageError, match="along Z"):
        stitch_planes(ArrayLabels(np.zeros((2, 4, 4), np.uint32), "TYX"))
    with pytest.raises(ParameterError, match="gap lies"):
        StitchParameters(gap=-1)
    assert stitch(np.zeros((3, 5, 5), np.uint32))[1] == 0


def tower(sizes, shades=None):
    """Squares of these sides upon each other, and a picture of them."""
    labels = np.zeros((len(sizes), 40, 40), np.uint32)
    picture = np.full(labels.shape, 20, np.uint8)
    for z, side in enumerate(sizes):
        labels[z, 20 - side : 20 + side, 20 - side : 20 + side] = 1 + z
        picture[z][labels[z] > 0] = 200 if shades is None else shades[z]
    return labels, picture


def test_two_objects_upon_each_other_have_a_neck():
    labels, _ = tower([4, 8, 9, 8, 4, 4, 8, 9, 8, 4])
    assert stitch(labels)[1] == 2
    assert stitch(labels, neck=0.0)[1] == 1
    assert stitch(tower([4, 6, 8, 9, 9, 9, 8, 6, 4])[0])[1] == 1


def test_an_object_ends_where_it_has_faded():
    labels, picture = tower([6] * 9, [30, 60, 120, 180, 200, 190, 170, 80, 40])
    source = ArrayPlanes(picture, "ZYX", [Channel(0, limits=(0, 255))])

    def planes(**settings):
        made = labels.copy()
        stitch_planes(ArrayLabels(made, "ZYX"), StitchParameters(**settings), source)
        return np.flatnonzero(made.any(axis=(1, 2))).tolist()

    assert planes() == [2, 3, 4, 5, 6]
    assert planes(end=0.0) == list(range(9))
    assert planes(end=0.8) == [3, 4, 5, 6]


def test_the_least_volume_in_cubic_micrometres():
    labels, picture = tower([2] * 4)
    source = ArrayPlanes(picture, "ZYX", pixel_size={"Z": 2.0, "Y": 0.5, "X": 0.5})
    for least, count in [(31, 1), (33, 0)]:  # 4 planes of 16 pixels of 0.5 µm³
        made = labels.copy()
        parameters = StitchParameters(min_um3=least)
        assert stitch_planes(ArrayLabels(made, "ZYX"), parameters, source)[0] == count
    with pytest.raises(ParameterError, match="how large a voxel is"):
        stitch_planes(ArrayLabels(labels, "ZYX"), StitchParameters(min_um3=1))


def test_several_volumes_have_numbers_of_their_own():
    labels = np.stack([column(), column()], axis=1)  # ZTYX
    count, _ = stitch_planes(ArrayLabels(labels, "ZTYX"))
    assert count == 2 and set(np.unique(labels[:, 0])) == {0, 1}
    assert set(np.unique(labels[:, 1])) == {0, 2}
