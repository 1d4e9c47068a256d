"""Looking for what looks like examples: on their plane, on another, in tiles, and unlike others."""

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_onnx.automatic.look_up import Examples, iterate_look_up, paste_beside
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.embedding import Embedding
from napari_sam_onnx.generators import drive
from napari_sam_onnx.masks.mask import Mask

GROUND, RED, GREEN, PINK = (90, 90, 90), (220, 30, 30), (30, 200, 30), (220, 120, 120)


class ColourModel:
    """Finds blobs of the colour that the boxes show, or that the word names; a `TextModel`."""

    id = name = "colours"

    def __init__(self):
        self.seen = []

    def encode(self, image):
        self.seen.append(image.shape[:2])
        return Embedding({"rgb": image}, image.shape[:2], image.shape[:2], self.id)

    def find(self, embedding, text, *, boxes=None, box_labels=None, threshold=0.5):
        rgb = embedding.tensors["rgb"].astype(float)
        self.asked = text, None if boxes is None else np.asarray(boxes), box_labels
        wanted, against = [], []
        for (y0, x0, y1, x1), label in zip(
            () if boxes is None else np.asarray(boxes).round().astype(int),
            box_labels or (),
            strict=True,
        ):
            middle = rgb[(y0 + y1) // 2, (x0 + x1) // 2]
            (wanted if label else against).append(middle)
        if text:
            wanted.append({"red": RED, "green": GREEN}[text])
        parts, count = ndimage.label(np.abs(rgb - GROUND).max(axis=2) > 40)
        masks = []
        for number in range(1, count + 1):
            part = parts == number
            colour = rgb[part].mean(axis=0)
            far = min(np.linalg.norm(colour - w) for w in wanted)
            if far < 150 and all(np.linalg.norm(colour - a) > far for a in against):
                masks.append(Mask.from_array(part))
        return masks

    def segment_text(self, rgb, text, *, threshold=0.5):
        return self.find(self.encode(rgb), text, threshold=threshold)

    def close(self):
        pass


def draw(*blobs, shape=(80, 120)):
    """A plane with squares of 12 pixels, each ``(y, x, colour)``."""
    plane = np.full((*shape, 3), GROUND, np.uint8)
    for y, x, colour in blobs:
        plane[y : y + 12, x : x + 12] = colour
    return plane


def box(y, x):
    return [y - 1.0, x - 1.0, y + 12.0, x + 12.0]


def look(plane, model, text=None, examples=None, **options):
    found = drive(iterate_look_up(plane, model, text, examples, **options))
    assert all(mask.shape == plane.shape[:2] for mask in found)
    return sorted(mask.origin for mask in found)


HERE = draw((10, 10, RED), (40, 60, RED), (10, 90, GREEN), (50, 20, PINK))


def test_one_box_finds_the_rest_with_and_without_a_word():
    model = ColourModel()
    examples = Examples(HERE, np.array([box(10, 10)]), np.array([True]))
    assert look(HERE, model, None, examples) == [(10, 10), (40, 60), (50, 20)]
    assert model.seen == [(80, 120)] and model.asked[2] == [1]
    assert look(HERE, model, "green", examples) == [(10, 10), (10, 90), (40, 60), (50, 20)]
    assert look(HERE, model, "green") == [(10, 90)]


def test_a_box_around_what_is_not_wanted_leaves_its_kind_out():
    examples = Examples(HERE, np.array([box(10, 10), box(50, 20)]), np.array([True, False]))
    model = ColourModel()
    assert look(HERE, model, None, examples) == [(10, 10), (40, 60)]
    assert model.asked[2] == [1, 0]


def test_examples_of_one_plane_find_objects_on_another():
    there = draw((20, 30, RED), (60, 100, GREEN), (60, 10, PINK))
    model = ColourModel()
    examples = Examples(HERE, np.array([box(10, 10), box(50, 20)]), np.array([True, False]))
    assert look(there, model, None, examples) == [(20, 30)]
    assert model.seen[0] == (80, 120 + 29)  # a strip of what is pasted, and nothing found in it


def test_examples_are_pasted_whole_with_their_boxes():
    many = np.array([box(10, 10), box(40, 60), box(10, 90), box(50, 20)])
    pasted, boxes = paste_beside(
        np.zeros((50, 30, 3), np.uint8), Examples(HERE, many, np.ones(4, bool))
    )
    assert pasted.shape[0] == 50
    assert (pasted[:, :30] == 0).all()
    for (y0, x0, y1, x1), own in zip(boxes.astype(int), many.astype(int), strict=True):
        np.testing.assert_array_equal(pasted[y0:y1, x0:x1], HERE[own[0] : own[2], own[1] : own[3]])
    overlaps = [
        (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])
        for i, a in enumerate(boxes)
        for b in boxes[:i]
    ]
    assert not any(overlaps)


def test_tiles_see_examples_that_lie_in_others_and_a_seam_cuts_no_object():
    plane = draw((10, 10, RED), (100, 150, RED), (90, 90, RED), (40, 180, GREEN), shape=(200, 260))
    examples = Examples(plane, np.array([box(10, 10)]), np.array([True]))
    model = ColourModel()
    found = look(plane, model, None, examples, tile_side=128)
    assert found == [(10, 10), (90, 90), (100, 150)]
    assert len(model.seen) == 6
    assert model.seen[0] == (128, 128) and model.seen[1][1] > 128  # inside, and pasted beside
    assert look(plane, ColourModel(), "green", tile_side=128) == [(40, 180)]


@pytest.mark.parametrize(
    ("boxes", "wanted", "says"),
    [
        (np.zeros((0, 4)), [], "at least one example"),
        ([[0.0, 0.0, 5.0, 5.0]], [False], "at least one example"),
        ([[0.0, 0.0, 5.0, 5.0]], [True, False], "Say of each"),
        ([[200.0, 0.0, 205.0, 5.0]], [True], "no pixel"),
    ],
)
def test_examples_that_show_nothing_are_refused(boxes, wanted, says):
    with pytest.raises(ParameterError, match=says):
        Examples(HERE, np.array(boxes), np.array(wanted, bool))
