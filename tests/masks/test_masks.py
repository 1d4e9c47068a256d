import numpy as np
import pytest
from scipy import ndimage
from skimage.transform import resize

from napari_sam_onnx.embedding import LowResMask
from napari_sam_onnx.masks.mask import (
    Mask,
    measure_iou,
    measure_overlap,
    see_within,
    unite,
    widen,
)
from napari_sam_onnx.masks.nms import suppress_overlapping
from napari_sam_onnx.masks.packed import pack
from napari_sam_onnx.masks.resample import Scratch
from napari_sam_onnx.masks.upscale import SURE, low_res_from_mask, mask_from_low_res, upscale_region

rng = np.random.default_rng(0)


def smooth_logits(shape):
    return ndimage.gaussian_filter(rng.normal(size=shape), 2).astype(np.float32) * 20


def upscale_whole(logits, shape):
    """Bilinear, align_corners=False, clamped at the edge: scikit-image's reading of the same."""
    return resize(logits.astype(float), shape, order=1, mode="edge", anti_aliasing=False)


@pytest.mark.parametrize("shape", [(40, 56), (32, 32), (16, 20), (1, 1), (7, 90)])
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 1.0])
def test_the_region_holds_every_pixel_above_the_threshold(shape, threshold):
    logits = smooth_logits((32, 32))
    whole = upscale_whole(logits, shape)
    low_res = LowResMask(logits, np.float32([0, 0, *shape]))
    (top, left), region = upscale_region(low_res, shape, threshold)
    plane = np.full(shape, -np.inf)
    plane[top : top + region.shape[0], left : left + region.shape[1]] = region
    np.testing.assert_array_equal(plane > threshold, whole > threshold)
    inside = np.isfinite(plane)
    np.testing.assert_allclose(plane[inside], whole[inside], atol=1e-4)


@pytest.mark.parametrize("shape", [(40, 56), (150, 96), (300, 211), (9, 100)])
@pytest.mark.parametrize("threshold", [-1.0, 0.0])
def test_logits_upscaled_first_are_cut_to_the_plane_before_its_pixels_are_sampled(shape, threshold):
    """SAM 1 upscales to its padded square, cuts the padding off and resizes what is left."""
    logits = rng.normal(size=(32, 32)).astype(np.float32) * 3  # rough, so that each step counts
    inner = [int(length * 128 / max(shape) + 0.5) for length in shape]
    whole = upscale_whole(upscale_whole(logits, (128, 128))[: inner[0], : inner[1]], shape)
    window = [0, 0, 128 / inner[0] * shape[0], 128 / inner[1] * shape[1]]
    low_res = LowResMask(logits, np.float32(window), upscaled_side=128)
    (top, left), region = upscale_region(low_res, shape, threshold)
    plane = np.full(shape, -np.inf)
    plane[top : top + region.shape[0], left : left + region.shape[1]] = region
    np.testing.assert_array_equal(plane > threshold, whole > threshold)
    inside = np.isfinite(plane)
    np.testing.assert_allclose(plane[inside], whole[inside], atol=1e-4)
    direct = upscale_region(LowResMask(logits, np.float32(window)), shape, -100.0)[1]
    stepped = upscale_region(low_res, shape, -100.0)[1]
    assert np.abs(direct - stepped).max() > 0.1


def test_a_window_places_the_logits_and_the_plane_cuts_them_off():
    logits = np.full((4, 4), 5, np.float32)
    mask = mask_from_low_res(LowResMask(logits, np.float32([-4, 10, 4, 18])), (20, 30))
    assert mask.bbox == (0, 10, 4, 18)
    assert mask.area == 32


def test_a_window_with_fractions_covers_the_pixels_whose_centre_it_holds():
    logits = np.full((2, 2), 5, np.float32)
    mask = mask_from_low_res(LowResMask(logits, np.float32([1.6, 1.4, 4.4, 4.6])), (9, 9))
    assert mask.bbox == (2, 1, 4, 5)


def test_a_window_outside_the_plane_is_an_empty_mask():
    low_res = LowResMask(np.full((4, 4), 5, np.float32), np.float32([30, 30, 34, 34]))
    mask = mask_from_low_res(low_res, (20, 20))
    assert not mask
    assert mask.area == 0
    assert np.asarray(mask).shape == (20, 20)


def test_only_negative_logits_are_an_empty_mask_without_stability():
    mask = mask_from_low_res(
        LowResMask(np.full((4, 4), -5, np.float32), np.float32([0, 0, 8, 8])), (8, 8)
    )
    assert not mask
    assert np.isnan(mask.stability)


@pytest.mark.parametrize("side", [20, 300])
def test_stability_is_the_ratio_of_areas(side):
    low_res = LowResMask(smooth_logits((32, 32)), np.float32([0, 0, side, side]))
    _, region = upscale_region(low_res, (side, side), -100.0)
    for offset in (0.5, 1.0):
        wide, narrow = np.count_nonzero(region > -offset), np.count_nonzero(region > offset)
        mask = mask_from_low_res(low_res, (side, side), stability_offset=offset)
        assert mask.stability == narrow / wide
        np.testing.assert_array_equal(np.asarray(mask), region > 0)


def test_mask_array_round_trip():
    plane = np.zeros((12, 15), bool)
    plane[3:7, 4:9] = plane[9, 14] = True
    mask = Mask.from_array(plane)
    assert mask.bbox == (3, 4, 10, 15)
    np.testing.assert_array_equal(np.asarray(mask), plane)
    assert np.asarray(mask, dtype=np.uint8).dtype == np.uint8


def test_overlap_and_iou_agree_with_whole_planes():
    for _ in range(20):
        a, b = (ndimage.gaussian_filter(rng.normal(size=(30, 30)), 3) > 0.08 for _ in range(2))
        shared, union = np.count_nonzero(a & b), np.count_nonzero(a | b)
        one, two = Mask.from_array(a), Mask.from_array(b)
        assert measure_overlap(one, two) == shared
        assert measure_iou(one, two) == pytest.approx(shared / union)


def test_iou_of_empty_masks_is_zero():
    empty = Mask.from_array(np.zeros((5, 5)))
    assert measure_iou(empty, empty) == 0


def slow_nms(boxes, scores, threshold):
    """Torchvision's rule, written down naively."""
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        y0, x0, y1, x1 = boxes[i]
        for j in kept:
            height = max(0, min(y1, boxes[j][2]) - max(y0, boxes[j][0]))
            width = max(0, min(x1, boxes[j][3]) - max(x0, boxes[j][1]))
            area = (boxes[j][2] - boxes[j][0]) * (boxes[j][3] - boxes[j][1])
            union = (y1 - y0) * (x1 - x0) + area - height * width
            if union > 0 and height * width / union > threshold:
                break
        else:
            kept.append(i)
    return kept


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_nms_is_torchvisions(threshold):
    start = rng.integers(0, 30, (60, 2))
    boxes = np.hstack([start, start + rng.integers(0, 25, (60, 2))])
    scores = rng.choice([0.1, 0.5, 0.9, 1.2], 60)
    assert suppress_overlapping(boxes, scores, threshold).tolist() == slow_nms(
        boxes.tolist(), scores.tolist(), threshold
    )


def test_nms_of_nothing():
    assert suppress_overlapping(np.zeros((0, 4)), [], 0.5).size == 0


def test_any_mask_becomes_logits_that_give_it_back():
    shape = (400, 500)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for truth, least in (
        ((y - 50) ** 2 + (x - 60) ** 2 < 12**2, 1.0),  # smaller than the grid of logits
        ((y - 200) ** 2 + ((x - 240) / 1.2) ** 2 < 190**2, 0.99),  # larger
        ((y < 3) & (x < 4), 1.0),  # in the corner
        ((y == 7) & (x > 20) & (x < 90), 1.0),  # a line
    ):
        mask = Mask.from_array(truth)
        low_res = low_res_from_mask(mask)
        assert low_res.logits.min() == -SURE and low_res.logits.max() <= SURE
        assert measure_iou(mask, mask_from_low_res(low_res, shape)) >= least


def test_masks_made_in_the_same_memory_are_those_made_apart():
    random, scratch = np.random.default_rng(4), Scratch()
    for side in (64, 256, 16):
        for seed in range(3):
            grown = np.kron(random.standard_normal((8, 8)), np.ones((side // 8, side // 8)))
            low_res = LowResMask(
                grown.astype(np.float32), np.array([0, 0, 300, 300], np.float32), 1024 * (seed % 2)
            )
            alone = mask_from_low_res(low_res, (300, 200))
            lent = mask_from_low_res(low_res, (300, 200), scratch=scratch)
            np.testing.assert_array_equal(np.asarray(lent), np.asarray(alone))
            assert (lent.bbox, lent.stability) == (alone.bbox, alone.stability)


@pytest.mark.parametrize("packed", [False, True])
def test_a_mask_in_a_box_or_a_wider_crop_or_beside_others_has_the_same_pixels(packed):
    planes = [rng.random((40, 56)) < 0.3, np.zeros((40, 56), bool)]
    planes[0][:6], planes[0][:, 50:] = False, False
    planes[1][2:9, 30:] = True
    masks = [Mask.from_array(plane) for plane in planes]
    if packed:
        masks = [pack(mask) for mask in masks]
    for mask, plane in zip(masks, planes, strict=True):
        for box in ((0, 0, 40, 56), (5, 10, 20, 31), (8, 20, 9, 56), (38, 0, 40, 3)):
            y0, x0, y1, x1 = box
            np.testing.assert_array_equal(see_within(mask, box), plane[y0:y1, x0:x1])
        framed = widen(mask, 4)
        assert framed.crop.shape > mask.crop.shape
        np.testing.assert_array_equal(framed.crop, plane[framed.slices])
    np.testing.assert_array_equal(np.asarray(unite(masks)), planes[0] | planes[1])
