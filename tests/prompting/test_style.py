"""What is learnt from accepted objects, and when nothing is."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_sam_onnx.embedding import LowResMasks
from napari_sam_onnx.masks.mask import Mask, measure_iou
from napari_sam_onnx.masks.regions import Region
from napari_sam_onnx.masks.upscale import best_mask
from napari_sam_onnx.prompting.style import (
    LEAST_OBJECTS,
    THRESHOLDS,
    Choice,
    Style,
    StyleError,
    StyleLearner,
    apply_style,
    choose,
    compare_answer,
)
from napari_sam_onnx.prompts import make_prompts

SHAPE = (64, 80)


def cone(center: tuple[float, float], radius: float, slope: float = 1.0) -> np.ndarray:
    """Logits that are 0 on a circle and fall by `slope` per pixel."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return slope * (radius - np.hypot(y - center[0], x - center[1]))


def answer(center: tuple[float, float], *radii: float, region: Region | None = None) -> Mask:
    logits = np.stack([cone(center, radius) for radius in radii])[None].astype(np.float32)
    scores = np.linspace(0.9, 0.5, len(radii), dtype=np.float32)[None]
    window = np.array([[0, 0, *SHAPE]], np.float32)
    best = np.zeros(1, np.int64)
    made = LowResMasks(logits, scores, window, best, tuple(range(len(radii))))
    return best_mask(made, 0, SHAPE if region is None else (200, 200), region)


def circle(center: tuple[float, float], radius: float) -> Mask:
    return Mask.from_array(cone(center, radius) > 0)


CENTERS = [(20.0 + i, 30.0 + 2 * i) for i in range(8)]


def learn(accepted: float, *radii: float, objects: int = 6) -> StyleLearner:
    learner = StyleLearner()
    for center in CENTERS[:objects]:
        agreement = compare_answer(answer(center, *radii).candidates, circle(center, accepted))
        assert agreement is not None
        learner.learn("click", agreement)
    return learner


def test_tighter_outlines_are_learnt_and_applied() -> None:
    style = learn(8, 10, 15).style
    assert style.click.candidate == -1 and 1.5 <= style.click.threshold <= 2.5
    assert style.describe() == "outlines tighter, learnt from 6 objects"
    asked = make_prompts([CENTERS[7]], plane_shape=SHAPE)
    plain = answer(CENTERS[7], 10, 15)
    styled = apply_style(plain, asked, style)
    assert measure_iou(styled, circle(CENTERS[7], 8)) > 0.95 > measure_iou(plain, styled)
    assert styled.candidates.best == 0 and len(styled.candidates) == 2
    assert measure_iou(styled.candidates[1], circle(CENTERS[7], 13)) > 0.9
    assert styled.low_res is plain.low_res  # what refines the next answer is the model's own


def test_another_candidate_is_learnt_for_first_answers_alone() -> None:
    style = learn(15, 10, 15).style
    assert style.click == Choice(1, 0.0, 6) and "candidate 2 first" in style.describe()
    asked = make_prompts([CENTERS[7]], plane_shape=SHAPE)
    plain = answer(CENTERS[7], 10, 15)
    assert apply_style(plain, asked, style).candidates.best == 1
    refined = replace(asked, mask=plain.low_res)
    assert apply_style(plain, refined, style).candidates.best == 0
    box = make_prompts(box=(5, 5, 40, 60), plane_shape=SHAPE)
    assert apply_style(plain, box, style) is plain


def test_nothing_is_learnt_from_few_objects_nor_from_what_is_right() -> None:
    assert learn(8, 10, objects=LEAST_OBJECTS - 1).style.plain
    right = learn(10, 10, 15).style
    assert right.plain and right.describe() == ""


def test_what_helps_some_and_harms_others_is_not_taken() -> None:
    learner = StyleLearner()
    for number, center in enumerate(CENTERS):
        accepted = circle(center, 8 if number % 2 else 12)
        learner.learn("click", compare_answer(answer(center, 10).candidates, accepted))
    assert learner.style.plain


def test_what_is_accepted_later_changes_the_style_and_a_reset_forgets_it() -> None:
    learner = learn(8, 10, 15)
    for center in CENTERS * 8:
        learner.learn(
            "click", compare_answer(answer(center, 10, 15).candidates, circle(center, 10))
        )
    assert learner.style.click == Choice(objects=50)
    learner = learn(8, 10, 15)
    learner.reset()
    assert learner.style == Style()
    learner.learn("box", compare_answer(answer(CENTERS[0], 10).candidates, circle(CENTERS[0], 8)))
    assert learner.style.plain


def test_the_agreement_is_the_iou_at_each_threshold() -> None:
    first = answer((30, 40), 10, 25)
    accepted = circle((30, 40), 7)
    table = compare_answer(first.candidates, accepted)
    assert table is not None and table.own == 0
    for candidate in (0, 1):
        for at in (8, 16, 24):
            shown = first.candidates.restyle(candidate, float(THRESHOLDS[at]))
            expected = measure_iou(shown[candidate], accepted)
            assert table.iou[candidate, at] == pytest.approx(expected, abs=0.02)


def test_a_mask_without_logits_teaches_nothing() -> None:
    assert compare_answer([circle((30, 40), 7)], circle((30, 40), 7)) is None
    assert (
        compare_answer(answer((30, 40), 7).candidates, Mask(SHAPE, (0, 0), np.zeros((0, 0), bool)))
        is None
    )


def test_an_answer_about_something_else_teaches_nothing() -> None:
    small = circle((30, 40), 3)
    assert compare_answer(answer((30, 40), 12).candidates, small) is None  # 1/16 of it
    assert compare_answer(answer((30, 40), 8).candidates, small) is not None


def test_answers_inside_a_region_are_measured_where_they_lie() -> None:
    region = Region((100, 50, 164, 130))
    first = answer((30, 40), 10, region=region)
    plane = np.zeros((200, 200), bool)
    plane[100:164, 50:130] = np.asarray(circle((30, 40), 8), bool)
    table = compare_answer(first.candidates, Mask.from_array(plane))
    assert table is not None and THRESHOLDS[int(table.iou[0].argmax())] == 2
    asked = make_prompts([(130, 90)], plane_shape=(200, 200))
    styled = apply_style(first, asked, Style(Choice(threshold=2.0)))
    assert measure_iou(styled, Mask.from_array(plane)) > 0.95


def test_a_style_is_kept_as_json() -> None:
    style = learn(8, 10, 15).style
    assert Style.from_dict(json.loads(json.dumps(style.to_dict()))) == style
    sized = replace(style, diameter=12.5)
    assert Style.from_dict(json.loads(json.dumps(sized.to_dict()))).diameter == 12.5
    assert Style.from_dict({"click": {}, "box": {}}).diameter == 0  # from before sizes were kept
    with pytest.raises(StyleError):
        Style.from_dict({"click": {}, "box": {}, "diameter": -1})
    for nonsense in ({}, {"click": {}, "box": 3}, {"click": {"threshold": "x"}, "box": {}}):
        with pytest.raises(StyleError):
            Style.from_dict(nonsense)
    assert choose([]) == Choice()
