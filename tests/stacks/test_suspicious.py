import numpy as np

from napari_sam_onnx.stacks.suspicious import find_suspicious


def series():
    """One steady object at the border, in all of eight frames."""
    labels = np.zeros((8, 30, 30), np.uint32)
    labels[:, 0:6, 0:6] = 1
    return labels


def find(labels, time=True, parents=None):
    return find_suspicious(lambda t: labels[t], len(labels), time=time, parents=parents)


def kinds(places):
    return [(place.kind, place.label, place.plane) for place in places]


def test_a_steady_object_is_not_suspicious():
    assert find(series()) == [] and find(series(), time=False) == []


def test_a_gap_is_the_most_doubtful():
    labels = series()
    labels[3:5] = 0
    labels[:, 15:21, 15:21] = 2
    labels[6, 15:21, 15:21] = 0
    labels[6, 15:18, 15:18] = 2
    found = find(labels)
    assert kinds(found)[:1] == [("gap", 1, 3)] and "2 planes" in found[0].sentence
    assert {("size", 2, 6), ("size", 2, 7)} <= set(kinds(found))
    assert found[1].doubt >= found[-1].doubt
    assert found[0].center == (2.5, 2.5)


def test_what_begins_and_ends_in_the_middle_of_time():
    labels = series()
    labels[2:6, 15:21, 15:21] = 2
    assert kinds(find(labels)) == [("begins", 2, 2), ("ends", 2, 5)]
    assert find(labels, time=False) == []
    assert kinds(find(labels, parents={2: 1})) == [("ends", 2, 5)]
    labels[5:, 15:21, 15:21] = 3
    assert kinds(find(labels, parents={2: 1, 3: 2})) == []
    labels[:] = series()
    labels[2:6, 24:30, 10:16] = 2  # comes in over the border, and leaves
    assert find(labels) == []


def test_touching_objects_are_named_once_where_they_touch_most():
    labels = series()
    labels[:, 0:6, 7:13] = 2
    labels[4, 0:6, 6:13] = 2
    assert kinds(find(labels)) == [("touching", 1, 4)]
    assert "1 and 2" in find(labels)[0].sentence
