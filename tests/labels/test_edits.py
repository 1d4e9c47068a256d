"""Objects that are edited: what they become, and whose pixels are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam_onnx.labels import edits
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.mask import Mask
from tests.fakes import draw_discs

SHAPE = (60, 80)


def disc(*centers: tuple[float, float], radius: float = 10) -> Mask:
    return Mask.from_array(draw_discs(SHAPE, centers, radius) > 0)


def same(mask: Mask, plane: np.ndarray) -> bool:
    return bool(np.array_equal(np.asarray(mask, bool), plane))


def test_growing_takes_free_pixels_alone_and_shrinking_takes_them_off() -> None:
    mask = disc((30, 30))
    labels = np.zeros(SHAPE, np.uint16)
    labels[np.asarray(mask, bool)] = 1
    labels[:, 41:] = 2
    labels[2:4, 5:9] = 3  # two pixels high
    grown = edits.grow(mask, labels)
    assert grown.bbox == (19, 19, 42, 41)  # 41 is the other's column
    assert not (np.asarray(grown, bool) & (labels == 2)).any()
    assert edits.grow(mask).bbox == (19, 19, 42, 42)
    assert same(edits.shrink(edits.grow(mask)), np.asarray(mask, bool))
    with pytest.raises(LabelError, match="delete it"):
        edits.shrink(Mask.from_array(labels == 3))


def test_shrinking_keeps_the_edge_of_the_plane() -> None:
    plane = np.zeros(SHAPE, bool)
    plane[:10, :10] = True
    assert edits.shrink(Mask.from_array(plane)).bbox == (0, 0, 9, 9)
    assert edits.grow(Mask.from_array(plane)).bbox == (0, 0, 11, 11)


def test_holes_are_filled_where_nobody_lives_in_them() -> None:
    plane = np.asarray(disc((30, 30)), bool).copy()
    plane[30, 30] = plane[25, 25] = False
    labels = plane.astype(np.uint16)
    labels[25, 25] = 2
    filled = np.asarray(edits.fill_holes(Mask.from_array(plane), labels), bool)
    assert filled[30, 30] and not filled[25, 25]
    assert same(edits.fill_holes(Mask.from_array(plane)), np.asarray(disc((30, 30)), bool))


def test_the_largest_piece_stays() -> None:
    two = Mask.from_array(np.asarray(disc((30, 20)), bool) | np.asarray(disc((30, 60), radius=4)))
    assert same(edits.keep_largest(two), np.asarray(disc((30, 20)), bool))
    assert edits.keep_largest(disc((30, 20))).area == disc((30, 20)).area


def test_smoothing_rounds_a_corner_and_keeps_the_size() -> None:
    plane = np.zeros(SHAPE, bool)
    plane[10:40, 10:40] = True
    plane[24, 40:46] = True  # a hair
    smoothed = np.asarray(edits.smooth(Mask.from_array(plane), 2), bool)
    assert not smoothed[10, 10] and not smoothed[24, 44] and smoothed[25, 25]
    assert abs(int(smoothed.sum()) - 900) < 30
    edge = np.zeros(SHAPE, bool)
    edge[:20] = True
    assert same(edits.smooth(Mask.from_array(edge), 3), edge)  # nothing is lost at the border
    dot = np.zeros(SHAPE, bool)
    dot[5, 5] = True
    assert edits.smooth(Mask.from_array(dot), 3).area == 1


def test_joining_closes_a_seam_and_leaves_others_alone() -> None:
    labels = np.zeros(SHAPE, np.uint16)
    labels[10:30, 10:20], labels[10:30, 22:40] = 1, 2
    one, two = edits.find_object(labels, 1), edits.find_object(labels, 2)
    joined = np.asarray(edits.join([one, two], labels), bool)
    assert joined[10:30, 10:40].all() and joined.sum() == 600
    labels[20, 20:22] = 3
    around = np.asarray(edits.join([one, two], labels), bool)
    assert not around[20, 20:22].any() and around[15, 20:22].all()
    far = disc((30, 60))
    apart = edits.join([one, far])
    assert apart.area == one.area + far.area
    with pytest.raises(LabelError, match="no object 9"):
        edits.find_object(labels, 9)
    with pytest.raises(LabelError, match="two objects"):
        edits.join([one])


def test_joining_does_not_fill_bays_of_one_object() -> None:
    plane = np.zeros(SHAPE, bool)
    plane[10:30, 10:30] = True
    plane[10:25, 19] = False  # a slit of its own
    joined = np.asarray(edits.join([Mask.from_array(plane), disc((30, 60))]), bool)
    assert not joined[10:20, 19].any()


@pytest.mark.parametrize("stroke", [[(5, 32), (55, 32)], [(28, 32), (32, 32)]])
def test_a_stroke_divides_and_loses_no_pixel(stroke: list[tuple[float, float]]) -> None:
    mask = disc((30, 24), (30, 41))
    parts = edits.split_by_stroke(mask, stroke)
    assert len(parts) == 2 and parts[0].area >= parts[1].area
    assert sum(part.area for part in parts) == mask.area
    left, right = sorted(parts, key=lambda part: part.bbox[1])
    assert left.bbox[3] <= 33 and right.bbox[1] >= 32
    assert same(
        Mask.from_array(np.asarray(left, bool) | np.asarray(right, bool)), np.asarray(mask, bool)
    )


def test_a_stroke_beside_the_object_is_refused() -> None:
    with pytest.raises(LabelError, match="does not divide"):
        edits.split_by_stroke(disc((30, 24)), [(0, 70), (50, 70)])
    with pytest.raises(LabelError, match="across"):
        edits.split_by_stroke(disc((30, 24)), [(0, 70)])


def test_pieces_that_the_stroke_does_not_touch_stay_with_the_largest_part() -> None:
    plane = np.zeros(SHAPE, bool)
    plane[10:30, 10:40] = True
    plane[50:55, 60:70] = True
    first, second = edits.split_by_stroke(Mask.from_array(plane), [(5, 20), (35, 20)])
    assert np.asarray(first, bool)[52, 65] and second.area in (200, 220)
    assert first.area + second.area == int(plane.sum())


def test_points_divide_at_the_neck() -> None:
    mask = disc((30, 24), (30, 41))
    parts = edits.split_by_points(mask, [(30, 20), (32, 45)])
    left, _ = sorted(parts, key=lambda part: part.bbox[1])
    assert 31 <= left.bbox[3] <= 34 and sum(part.area for part in parts) == mask.area
    three = edits.split_by_points(mask, [(30, 20), (26, 45), (34, 45)])
    assert len(three) == 3 and sorted(part.bbox[1] for part in three)[0] == left.bbox[1]
    assert not any(part.bbox[1] < 24 < 41 < part.bbox[3] for part in three)
    with pytest.raises(LabelError, match="one pixel"):
        edits.split_by_points(mask, [(30, 20), (30.2, 20.1)])
    with pytest.raises(LabelError, match="at least two"):
        edits.split_by_points(mask, [(30, 20)])


def test_volumes_are_divided_alike() -> None:
    plane = np.asarray(disc((30, 24), (30, 41)), bool)
    volume = np.stack([plane] * 5)
    parts = edits.divide_by_seeds(volume, [(2, 30, 20), (2, 30, 45)])
    assert set(np.unique(parts)) == {0, 1, 2} and parts[2, 30, 22] == 1 and parts[0, 30, 43] == 2
    cut = np.zeros(volume.shape, bool)
    cut[:, :, 32] = True
    assert edits.divide_by_cut(volume, cut).max() == 2


def test_the_background_is_known_and_inverted() -> None:
    cell = disc((30, 24))
    ground = Mask.from_array(~np.asarray(cell, bool))
    assert edits.is_background(ground) and not edits.is_background(cell)
    assert same(edits.invert(ground), np.asarray(cell, bool))
