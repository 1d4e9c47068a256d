import numpy as np
import pytest

from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.stacks.correct import (
    cut_object,
    delete_object,
    drop_parents,
    join_objects,
    join_parents,
    mark_division,
    split_object,
)


@pytest.fixture
def labels():
    """Object 1 in planes 0 to 5, object 2 beside it from plane 3 on."""
    stack = np.zeros((6, 8, 8), np.uint32)
    stack[:, 1:3, 1:3] = 1
    stack[3:, 5:7, 5:7] = 2
    return stack


def apply(labels, change):
    done = labels.copy()
    done[change.places] = change.label
    return done


def planes_of(labels, label):
    return np.flatnonzero((labels == label).any(axis=(1, 2))).tolist()


def test_join(labels):
    joined = apply(labels, join_objects(labels, 1, 2))
    np.testing.assert_array_equal(joined, np.where(labels > 0, 1, 0))
    for bad in [(1, 1), (1, 9), (9, 1), (1, 0)]:
        with pytest.raises(LabelError):
            join_objects(labels, *bad)


def test_split_at_a_plane_along_any_axis(labels):
    split = apply(labels, split_object(labels, 1, 2, 3))
    assert planes_of(split, 1) == [0, 1] and planes_of(split, 3) == [2, 3, 4, 5]
    turned = np.moveaxis(labels, 0, 2)
    other = apply(turned, split_object(turned, 1, 2, 3, axis=2))
    np.testing.assert_array_equal(np.moveaxis(other, 2, 0), split)
    for plane, new, word in [(0, 3, "both sides"), (6, 3, "both sides"), (2, 2, "taken")]:
        with pytest.raises(LabelError, match=word):
            split_object(labels, 1, plane, new)


def test_cut_off_and_delete(labels):
    assert planes_of(apply(labels, cut_object(labels, 1, 2, after=True)), 1) == [0, 1, 2]
    assert planes_of(apply(labels, cut_object(labels, 1, 2, after=False)), 1) == [2, 3, 4, 5]
    assert len(cut_object(labels, 1, 5, after=True)) == 0
    gone = apply(labels, delete_object(labels, 2))
    assert set(np.unique(gone)) == {0, 1} and len(delete_object(labels, 2)) == 12
    with pytest.raises(LabelError, match="no object 7"):
        delete_object(labels, 7)


def test_a_division_ends_the_mother_where_the_daughter_begins(labels):
    change, parents = mark_division(labels, 1, (1, 2), 4, {8: 1})
    assert parents == {4: 1, 2: 1, 8: 4}  # what the mother's number bore later is the daughter's
    divided = apply(labels, change)
    assert planes_of(divided, 1) == [0, 1, 2] and planes_of(divided, 4) == [3, 4, 5]


def test_a_division_of_three_tracks_changes_no_label(labels):
    labels[4:][labels[4:] == 1] = 3
    assert mark_division(labels, 1, (2, 3), 9, {}) == (None, {2: 1, 3: 1})
    with pytest.raises(LabelError, match="begins before"):
        mark_division(labels, 3, (1, 2), 9, {})
    with pytest.raises(LabelError, match="begins before"):
        mark_division(labels, 2, (2, 1), 9, {})
    with pytest.raises(LabelError, match="two daughters"):
        mark_division(labels, 1, (2, 2), 9, {})


def test_divisions_follow_what_is_joined_and_deleted():
    parents = {2: 1, 3: 1, 5: 4}
    assert join_parents(parents, 4, 1) == {2: 4, 3: 4, 5: 4}
    assert join_parents(parents, 6, 5) == {2: 1, 3: 1, 6: 4}
    assert join_parents(parents, 1, 2) == {5: 4}  # it never divided there
    assert join_parents(parents, 2, 1) == {5: 4}
    assert drop_parents(parents, 1) == {5: 4} and drop_parents(parents, 3) == {2: 1, 5: 4}


def test_labels_on_disk(tmp_path, labels):
    zarr = pytest.importorskip("zarr")
    stored = zarr.open_array(str(tmp_path / "a.zarr"), mode="w", shape=labels.shape, dtype="u4")
    stored[:] = labels
    for there, here in zip(delete_object(stored, 1).places, np.nonzero(labels == 1), strict=True):
        np.testing.assert_array_equal(there, here)
