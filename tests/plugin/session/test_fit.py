"""What is written when a mask is accepted beside labels that exist."""

from __future__ import annotations

import numpy as np

from napari_sam_onnx.masks import Mask
from napari_sam_onnx.plugin.session.fit import fit_masks

SHAPE = (40, 40)


def block(y0: int, x0: int, y1: int, x1: int) -> Mask:
    plane = np.zeros(SHAPE, bool)
    plane[y0:y1, x0:x1] = True
    return Mask.from_array(plane)


def label(*blocks: tuple[int, Mask]) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint16)
    for number, mask in blocks:
        labels[np.asarray(mask)] = number
    return labels


def test_a_free_mask_is_written_as_it_is() -> None:
    mask = block(5, 5, 15, 15)
    for labels in (None, label((3, block(20, 20, 30, 30)))):
        (fitted,) = fit_masks(labels, [mask])
        assert fitted.mask is mask and not fitted.problem


def test_labels_keep_their_pixels_and_crumbs_are_left_out() -> None:
    labels = label((3, block(0, 12, 40, 14)))  # a wall; one column lies beyond it
    (fitted,) = fit_masks(labels, [block(5, 5, 15, 15)])
    np.testing.assert_array_equal(np.asarray(fitted.mask), np.asarray(block(5, 5, 15, 12)))
    labels = label((3, block(0, 10, 40, 11)))
    (fitted,) = fit_masks(labels, [block(5, 5, 15, 13)])  # two columns of eight beyond it: kept
    assert fitted.mask.area == 70 and not fitted.problem


def test_crumbs_alone_are_refused_and_the_label_is_named() -> None:
    cell = block(5, 5, 15, 15)
    labels = label((7, block(6, 6, 14, 15)), (8, block(14, 14, 30, 30)))
    (fitted,) = fit_masks(labels, [cell])
    assert fitted.under == 7 and fitted.mask is cell
    assert "labelled already as object 7" in fitted.problem and "Shift+N" in fitted.problem
    assert "only 27 of its 100 pixels" in fitted.problem
    (fitted,) = fit_masks(label((7, block(0, 0, 20, 20))), [cell])
    assert "none of it is free" in fitted.problem
    (fitted,) = fit_masks(labels, [cell], overwrite=True)
    assert fitted.mask is cell and not fitted.problem
    (fitted,) = fit_masks(labels, [cell], mine=[7])  # it corrects object 7
    assert fitted.mask.area == 99 and not fitted.problem


def test_objects_that_are_accepted_together_share_no_pixel() -> None:
    first, second, inside = block(5, 5, 15, 15), block(5, 12, 15, 25), block(6, 6, 9, 9)
    fitted = fit_masks(None, [first, second, inside])
    assert [f.mask.area for f in fitted[:2]] == [100, 100]
    assert not (np.asarray(fitted[0].mask) & np.asarray(fitted[1].mask)).any()
    assert "open objects" in fitted[2].problem and not fitted[2].under
    assert "empty" in fit_masks(None, [Mask.from_array(np.zeros(SHAPE))])[0].problem
