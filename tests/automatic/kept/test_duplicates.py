"""Which of masks that overlap stays."""

import numpy as np

from napari_sam_onnx.automatic.kept.duplicates import suppress_duplicates
from napari_sam_onnx.masks.mask import Mask


def test_duplicates_are_judged_by_pixels_not_by_boxes():
    diagonal = np.eye(30, dtype=bool)
    apart = [Mask.from_array(diagonal), Mask.from_array(diagonal[::-1] & ~diagonal)]
    assert suppress_duplicates(apart, [0.5, 0.6], 0.5).tolist() == [1, 0]  # their boxes are equal
    inner = Mask((30, 30), (10, 10), np.ones((4, 4), bool))
    outer = Mask((30, 30), (5, 5), np.ones((20, 20), bool))
    empty = Mask((30, 30), (0, 0), np.zeros((0, 0), bool))
    assert suppress_duplicates([empty, inner, outer], [0.9, 0.5, 0.6], 0.5).tolist() == [2]
    assert suppress_duplicates([inner, outer], [0.6, 0.5], 0.5).tolist() == [0]
    assert suppress_duplicates([inner, outer], [0.5, 0.6], 1.0).tolist() == [1, 0]
    assert suppress_duplicates([], [], 0.5).tolist() == []


def test_equal_scores_keep_their_order():
    square = Mask((30, 30), (10, 10), np.ones((4, 4), bool))
    shifted = Mask((30, 30), (11, 10), np.ones((4, 4), bool))
    assert suppress_duplicates([square, shifted], [0.5, 0.5], 0.5).tolist() == [0]
