import numpy as np

from napari_sam_onnx.automatic.kept.box_index import CELL, BoxIndex


def touch(a, b):
    return a[0] < b[2] and a[2] > b[0] and a[1] < b[3] and a[3] > b[1]


def test_the_boxes_found_are_those_that_share_a_pixel():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 500, (300, 2))
    sizes = rng.integers(1, 90, (300, 2))
    boxes = [tuple(int(v) for v in row) for row in np.hstack([corners, corners + sizes])]
    index = BoxIndex()
    for number, box in enumerate(boxes):
        index.add(number, box)
    for box in boxes:
        assert index.find_touching(box) == [i for i, b in enumerate(boxes) if touch(box, b)]


def test_neighbours_and_empty_boxes_touch_nothing():
    index = BoxIndex()
    index.add(3, (0, 0, CELL, CELL))
    index.add(4, (CELL, 0, CELL + 1, 9))
    index.add(5, (7, 7, 7, 7))
    assert index.find_touching((CELL, 0, CELL + 3, 3)) == [4]
    assert index.find_touching((CELL - 1, 0, CELL, 3)) == [3]
    assert index.find_touching((5, 5, 5, 5)) == []
    assert index.find_touching((900, 900, 901, 901)) == []
