"""Prompts on large planes: what is read and encoded, and at which size objects are seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.masks.mask import measure_iou
from napari_sam_onnx.masks.regions import Region, cut_region
from napari_sam_onnx.prompting import near
from napari_sam_onnx.prompting.near import Neighbourhoods, is_large
from napari_sam_onnx.prompts import PromptError, make_prompts
from tests.fakes import ComponentModel, draw_discs

SHAPE = (3000, 4000)
SMALL, BIG, TINY, EDGE = (700, 900), (2000, 2000), (300, 3500), (2, 2)
PICTURE = np.dstack(
    [
        np.maximum.reduce(
            [
                draw_discs(SHAPE, [SMALL, EDGE], 40),
                draw_discs(SHAPE, [BIG], 700),
                draw_discs(SHAPE, [TINY], 4),
            ]
        )
    ]
    * 3
)


class Read:
    """A plane of which parts are read; remembers which."""

    def __init__(self) -> None:
        self.regions: list[Region] = []

    def __call__(self, region: Region) -> Any:
        self.regions.append(region)
        return cut_region(PICTURE, region)


def make(**options: Any) -> tuple[Neighbourhoods, Read, ComponentModel]:
    read, model = Read(), ComponentModel(**options)
    return Neighbourhoods(model, SHAPE, read, EmbeddingCache()), read, model


def ask(*points: tuple[float, float], **more: Any) -> Any:
    return make_prompts(points or None, plane_shape=SHAPE, **more)


def disc(center: tuple[float, float], radius: float) -> Any:
    from napari_sam_onnx.masks.mask import Mask

    return Mask.from_array(draw_discs(SHAPE, [center], radius) > 0)


def test_a_part_is_read_and_shared_by_clicks_near_each_other() -> None:
    made, read, model = make()
    asked = [ask(SMALL)]
    assert is_large(SHAPE) and not is_large((2048, 2048)) and not made.knows(asked)
    (mask,) = made.answer(asked)
    assert measure_iou(mask, disc(SMALL, 40)) == 1 and mask.shape == SHAPE
    (region,) = read.regions
    assert region.shape == (1024, 1024) and region.scale == 1 and mask.crop_box == region.box
    assert made.knows(asked)
    made.answer([ask((SMALL[0] + 5, SMALL[1] - 8)), ask(SMALL, (710, 910))])
    assert len(read.regions) == 1 and model.encoded == 1


def test_an_object_that_is_cut_off_is_seen_smaller() -> None:
    made, read, _ = make()
    (mask,) = made.answer([ask(BIG)])
    assert [region.scale for region in read.regions] == [1, 0.5]
    assert measure_iou(mask, disc(BIG, 700)) > 0.98
    made.answer([ask((2010, 2010))])
    assert len(read.regions) == 2  # the next one begins where this one was seen well
    made.answer([ask(SMALL)])
    assert read.regions[-1].scale == 0.5


def test_a_tiny_object_is_seen_enlarged() -> None:
    made, read, _ = make()
    (mask,) = made.answer([ask(TINY)])
    assert [region.shape for region in read.regions] == [(1024, 1024), (512, 512)]
    assert measure_iou(mask, disc(TINY, 4)) == 1


def test_the_edge_of_the_plane_cuts_nothing() -> None:
    made, read, _ = make()
    (mask,) = made.answer([ask((10, 10))])
    assert len(read.regions) == 1 and mask.bbox[:2] == (0, 0)


def test_boxes_and_prompts_far_apart_choose_the_size() -> None:
    made, read, _ = make()
    made.answer([ask(box=(1300, 1300, 2700, 2700))])
    assert read.regions[-1].shape[1] == 4000 and read.regions[-1].scale == 0.25
    made.answer([ask((700, 900), (700, 2900))])
    assert read.regions[-1].scale == 0.25
    with pytest.raises(PromptError, match="too far apart"):
        Neighbourhoods(ComponentModel(), (90_000, 90_000), Read(), EmbeddingCache()).answer(
            [make_prompts([(5, 5), (80_000, 80_000)], plane_shape=(90_000, 90_000))]
        )


def test_doubtful_answers_keep_the_best_and_end() -> None:
    made, read, _ = make(scores=(0.5, 0.3, 0.2))
    (mask,) = made.answer([ask(SMALL)])
    assert mask.score == pytest.approx(0.5) and len(read.regions) <= len(near.LEVELS)
    assert measure_iou(mask, disc(SMALL, 40)) > 0.95


def test_a_mask_to_refine_moves_along() -> None:
    made, _, _ = make()
    (first,) = made.answer([ask(SMALL)])
    prompts = ask(SMALL, (712, 905), mask=first.low_res)
    (second,) = made.answer([prompts])
    assert measure_iou(second, first) == 1


def test_a_known_diameter_decides_the_first_look() -> None:
    near, read, _ = make()
    (mask,) = near.answer([ask(BIG)], 1400)
    assert [region.scale for region in read.regions] == [0.25]
    assert measure_iou(mask, disc(BIG, 700)) > 0.98
    near.answer([ask(SMALL)], 60)
    assert read.regions[1].scale == 1
    near.answer([ask(TINY)], 25)
    assert read.regions[2].shape == (512, 512)  # looked at enlarged
