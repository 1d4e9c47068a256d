import numpy as np
import pytest

from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.image import ImageError
from napari_sam_onnx.planes import ArrayLabels
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
    apart, count, _ = stitch(broken, max_gap=0)
    assert count == 2 and not apart[2].any()
    wide = column([0, 1, 4, 5])
    assert stitch(wide)[1] == 2 and stitch(wide, max_gap=2)[1] == 1


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
    with pytest.raises(ParameterError, match="max_gap lies"):
        StitchParameters(max_gap=-1)
    assert stitch(np.zeros((3, 5, 5), np.uint32))[1] == 0
