"""What looks like an example of one plane, on all planes of a stack, under numbers that go on."""

import numpy as np

from napari_sam_onnx.automatic.look_up import Examples, iterate_look_up
from napari_sam_onnx.planes import ArrayPlanes
from napari_sam_onnx.stacks.look_up import iterate_look_up_stack
from tests.automatic.test_look_up import GREEN, RED, ColourModel, box, draw


def search(stack, link, axes="ZYXC"):
    source = ArrayPlanes(stack, axes)
    shown = source.read((0,) * len(source.shape))
    examples = Examples(shown, np.array([box(10, 10)]), np.array([True]))
    model = ColourModel()

    def look(_, rgb):
        plane = shown if np.array_equal(rgb, shown) else rgb
        return iterate_look_up(plane, model, None, examples)

    labels = np.zeros(stack.shape[:-1], np.uint32)
    steps, told = iterate_look_up_stack(source, look, link), []
    while True:
        try:
            step = next(steps)
        except StopIteration as ended:
            return labels, ended.value, told
        told.append((step.done, step.total))
        if step.labels is not None:
            labels[step.index] = step.labels


STACK = np.stack(
    [
        draw((10, 10, RED), (50, 80, GREEN)),
        draw((12, 12, RED), (50, 60, RED)),
        draw((50, 62, RED), (10, 90, GREEN)),
    ]
)


def test_objects_that_go_on_keep_their_number():
    labels, count, told = search(STACK, "Z")
    assert count == 2 and told[-1] == (3, 3)
    assert labels[0, 12, 12] == labels[1, 14, 14] == 1
    assert labels[1, 52, 62] == labels[2, 54, 64] == 2
    assert np.count_nonzero(labels) == 4 * 144


def test_planes_that_are_not_linked_have_numbers_of_their_own():
    labels, count, _ = search(STACK, None)
    assert count == 4 and [np.unique(plane)[1:].tolist() for plane in labels] == [[1], [2, 3], [4]]
