"""What is written when a mask is accepted beside labels that exist."""

from __future__ import annotations

import numpy as np

from napari_sam_onnx.labels.fitting import fit_masks
from napari_sam_onnx.labels.rules import Rules
from napari_sam_onnx.masks.mask import Mask

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
    (fitted,) = fit_masks(labels, [cell], Rules("overwrite"))
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


def test_shared_pixels_are_split_at_the_border() -> None:
    labels = label((7, block(5, 0, 15, 14)))
    (fitted,) = fit_masks(labels, [block(5, 6, 15, 22)], Rules("split"))
    assert fitted.mask.bbox == (5, 10, 15, 22) and fitted.takes and fitted.overlaps == 7
    (kept,) = fit_masks(labels, [block(5, 6, 15, 22)], Rules("keep"))
    assert kept.mask.bbox == (5, 14, 15, 22) and not kept.takes and kept.overlaps == 7
    (inside,) = fit_masks(labels, [block(7, 3, 12, 10)], Rules("split"))
    assert "labelled already as object 7" in inside.problem
    (around,) = fit_masks(labels, [block(2, 0, 38, 38)], Rules("split"))
    assert not np.asarray(around.mask)[5:15, :14].any()  # what is wholly covered keeps its pixels
    (own,) = fit_masks(labels, [block(5, 6, 15, 22)], Rules("split"), mine=[7])
    assert own.mask.bbox == (5, 6, 15, 22)


def test_masks_are_tidied_before_they_are_fitted() -> None:
    plane = np.asarray(block(5, 5, 25, 25)).copy()
    plane[10, 10] = False
    plane[30:32, 30:32] = plane[30, 5] = True
    mask = Mask.from_array(plane)
    (filled,) = fit_masks(None, [mask], Rules(least=3))
    assert np.asarray(filled.mask)[10, 10] and not np.asarray(filled.mask)[30, 5]
    assert np.asarray(filled.mask)[30, 30]
    (one,) = fit_masks(None, [mask], Rules(largest=True))
    assert one.mask.bbox == (5, 5, 25, 25) and not np.asarray(one.mask)[10, 10]
    (smooth,) = fit_masks(None, [mask], Rules(smoothing=2.0))
    assert not np.asarray(smooth.mask)[5, 5] and np.asarray(smooth.mask)[15, 15]
