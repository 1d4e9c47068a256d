"""Two objects through a drawn stack, and our runner asked to follow them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.masks.upscale import mask_from_low_res
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.memory.memory_model import MemoryModel
    from napari_sam_onnx.prompts import Prompts

    Answers = dict[tuple[int, int], tuple[NDArray[np.bool_], float]]

SHAPE = (150, 230)
CORRECTED = 12
MANY = (3, 8, 13, 16, 19)
"""Planes that are pointed at beside the first one in the case of that name."""


def draw_planes(count: int, seed: int = 5) -> list[NDArray[np.uint8]]:
    """Draw discs that wander over a textured ground; one of them hides on some planes."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    ground = rng.normal(90, 25, (*SHAPE, 3))
    planes = []
    for number in range(count):
        plane = ground + rng.normal(0, 6, ground.shape)
        discs = [(60 + 2 * number, 90 + 3 * number, 26), (100 - number, 150 - 2 * number, 20)]
        for place, (y, x, radius) in enumerate(discs):
            if place == 1 and number in (6, 7, 8):
                continue
            inside = (ys - y) ** 2 + (xs - x) ** 2 < radius**2
            plane[inside] = plane[inside] * 0.3 + np.array([[190, 120, 60], [70, 160, 210]])[place]
        planes.append(np.clip(plane, 0, 255).astype(np.uint8))
    return planes


def objects(at: int) -> dict[int, Prompts]:
    """Point at both objects of a plane: by a click, and by a box with two clicks."""
    y, x = 60 + 2 * at, 90 + 3 * at
    v, u = 100 - at, 150 - 2 * at
    box = (v - 21, u - 21, v + 21, u + 21)
    return {
        1: make_prompts([(y, x)], plane_shape=SHAPE),
        2: make_prompts([(v, u), (y, x)], [1, 0], box, plane_shape=SHAPE),
    }


def correction(at: int) -> Prompts:
    """Correct the first object of a plane by two clicks."""
    y, x = 60 + 2 * at, 90 + 3 * at
    return make_prompts([(y + 8, x), (y - 30, x - 40)], [1, 0], plane_shape=SHAPE)


def points_beside(case: str, number: int) -> tuple[int, ...]:
    """List the planes on which an object is pointed at beside the first."""
    if number != 1:
        return ()
    return {"two planes": (CORRECTED,), "six planes": MANY}.get(case, ())


def ask_ours(model: MemoryModel, planes: list[NDArray[np.uint8]], case: str) -> Answers:
    """Follow both objects with our runner, on one encoding of each plane."""
    embeddings = [model.encode(plane) for plane in planes]
    at = 0 if case != "both ways" else len(planes) // 2
    found: Answers = {}
    for number, prompts in objects(at).items():
        track = model.start_track(len(planes))

        def keep(position: int, seen: object, number: int = number) -> None:
            mask = mask_from_low_res(seen.low_res, SHAPE)
            found[number, position] = (np.asarray(mask), seen.presence)

        keep(at, track.point(at, embeddings[at], prompts))
        for place in points_beside(case, number):
            keep(place, track.point(place, embeddings[place], correction(place)))
        for position in range(at + 1, len(planes)):
            if (number, position) in found:
                continue
            keep(position, track.follow(position, embeddings[position]))
        if case == "both ways":
            for position in range(at - 1, -1, -1):
                keep(position, track.follow(position, embeddings[position], reverse=True))
        if case == "corrected":
            first = CORRECTED
            if number == 1:
                seen = track.point(first, embeddings[first], correction(first))
                keep(first, seen)
                first += 1
            for position in range(first, len(planes)):
                keep(position, track.follow(position, embeddings[position]))
    return found


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """IoU of two planes; 1 where both are empty."""
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 1.0
