"""Which prompts belong to which object."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam_onnx.plugin.layers.objects import is_same_box, split_objects
from napari_sam_onnx.plugin.layers.snapshot import Snapshot
from napari_sam_onnx.plugin.picture.plane import Plane, box_vertices

PLANE = Plane((1, 2), (1, 0, 0))


def draw(points: list[tuple[float, float, bool]], boxes: list[tuple[float, ...]]) -> Snapshot:
    """Prompts on the plane, and a click and a box on another one."""
    data = [(1, y, x) for y, x, _ in points] + [(0, 5, 5)]
    signs = [positive for *_, positive in points] + [True]
    elsewhere = Plane((1, 2), (0, 0, 0))
    drawn = [*(box_vertices(box, PLANE) for box in boxes), box_vertices((1, 1, 9, 9), elsewhere)]
    return Snapshot(np.array(data, float), np.array(signs), tuple(drawn))


def describe(prompts: Snapshot, each_click: bool = False) -> list[tuple[list[float], bool]]:
    """For each object the rows of its clicks, negative ones for the background; has it a box."""
    return [
        (
            [y if sign else -y for (y, _), sign in zip(o.points, o.labels, strict=True)],
            o.box is not None,
        )
        for o in split_objects(prompts, PLANE, each_click)
    ]


BOX, OTHER = (10.0, 10.0, 20.0, 20.0), (40.0, 40.0, 60.0, 60.0)


@pytest.mark.parametrize(
    ("points", "boxes", "each_click", "expected"),
    [
        ([], [], False, []),
        ([(5, 5, False)], [], False, []),
        ([(5, 5, False)], [], True, []),
        ([(5, 5, True), (6, 6, True), (7, 7, False)], [], False, [([5, 6, -7], False)]),
        (
            [(5, 5, True), (30, 30, True), (29, 29, False)],
            [],
            True,
            [([5], False), ([30, -29], False)],
        ),
        ([(5, 5, True), (7, 7, False)], [BOX], False, [([5, -7], True)]),
        ([(5, 5, True)], [BOX], True, [([], True), ([5], False)]),
        ([(15, 15, True), (50, 50, False)], [BOX, OTHER], False, [([15], True), ([-50], True)]),
        (
            [(5, 5, True), (80, 80, False)],
            [BOX, OTHER],
            False,
            [([], True), ([-80], True), ([5], False)],
        ),
        ([(15, 15, True)], [BOX, (0.0, 0.0, 50.0, 50.0)], False, [([15], True), ([], True)]),
    ],
)
def test_prompts_are_grouped_by_object(
    points: Any, boxes: Any, each_click: bool, expected: Any
) -> None:
    assert describe(draw(points, boxes), each_click) == expected


def test_boxes_that_overlap_by_half_are_one() -> None:
    box = np.array(BOX)
    assert is_same_box(box, box + 1)
    assert not is_same_box(box, box + 6)
    assert not is_same_box(box, np.array(OTHER))
    assert not is_same_box(box, np.array((12.0, 12.0, 16.0, 16.0)))
