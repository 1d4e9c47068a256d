"""Recipes: written, read, refused, followed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_sam_onnx.automatic import ParameterError, make_parameters
from napari_sam_onnx.pictures.image import Channel
from napari_sam_onnx.records import recipes
from napari_sam_onnx.records.recipes import (
    Recipe,
    RecipeError,
    describe_settings,
    open_planes,
    replay,
)
from tests.fakes import ComponentModel, draw_discs

CENTERS = [(12, 12), (12, 40), (40, 26)]
PLANE = draw_discs((54, 54), CENTERS, 7)
RECIPE = Recipe(
    "pebble",
    "component",
    "ZYX",
    (Channel(0, limits=(0.0, 255.0)),),
    "objects",
    {"min_area": 5},
    "z",
    ((1,), (0,)),
)


def labels_of(recipe: Recipe, stack: Any, **options: Any) -> Any:
    steps = replay(recipe, open_planes(recipe, stack, **options), ComponentModel())
    return {step.index: step.labels for step in steps if step.labels is not None}


def test_a_recipe_survives_json() -> None:
    recipe = replace(RECIPE, settings={"min_area": 5})
    assert Recipe.from_json(recipe.to_json()) == recipe
    pair = replace(recipe, model=["encoder.onnx", "decoder.onnx"], planes=None)
    assert Recipe.from_json(pair.to_json()) == pair


def test_settings_are_listed_whole_and_build_the_same_again() -> None:
    for settings in (
        make_parameters("grid", points_per_side=7),
        make_parameters("tiled", tile_side=333, inner="grid", points_per_side=7),
        make_parameters("blobs"),
    ):
        mode, values = describe_settings(settings)
        stored = json.loads(json.dumps(values))
        assert make_parameters(mode, **stored) == settings


def test_a_run_is_done_again_as_in_the_dock(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    real = recipes.iterate_stack

    def watch(*values: Any, **options: Any) -> Any:
        given.append(options)
        return real(*values, **options)

    monkeypatch.setattr(recipes, "iterate_stack", watch)
    assert labels_of(RECIPE, np.stack([PLANE] * 2))
    assert [options["keep"] for options in given] == [True]  # where no search ends early


def test_a_recipe_is_followed() -> None:
    recipe = replace(RECIPE, settings={"min_area": 5})
    stack = np.stack([PLANE, PLANE])
    made = labels_of(recipe, stack)
    assert set(made) == {(0,), (1,)}
    np.testing.assert_array_equal(made[0,], made[1,])  # linked
    assert len(np.unique(made[0,])) == 4
    only = labels_of(replace(recipe, planes=((1,),), link=None), stack)
    assert set(only) == {(1,)}
    few = labels_of(replace(recipe, settings={"min_area": 5000}, planes=None), stack)
    assert not few[0,].any()
    blind = replace(recipe, channels=(Channel(0, limits=(1000.0, 2000.0)),))
    assert not labels_of(blind, stack)[0,].any()


def test_a_picture_with_other_axes_names_them() -> None:
    recipe = replace(RECIPE, settings={}, link=None, planes=None)
    with pytest.raises(RecipeError, match="axes ZYX"):
        open_planes(recipe, PLANE)
    assert labels_of(recipe, PLANE, axes="YX")[()].any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 9}, "format 9"),
        ({"mode": "magic"}, "mode 'magic'"),
        ({"channels": []}, "names no channels"),
        ({"channels": [{"index": 0}]}, "without contrast limits"),
        ({"channels": [{"colour": 0}]}, "not complete"),
        ({"fortune": 1}, "unknown: fortune"),
        ({"planes": 3}, "not complete"),
    ],
)
def test_what_is_no_recipe_is_refused_in_a_sentence(change: Any, sentence: str) -> None:
    values = replace(RECIPE, settings={}).to_dict() | change
    with pytest.raises(RecipeError, match=sentence):
        Recipe.from_json(json.dumps(values))


def test_other_refusals() -> None:
    for text in ("{", "[]", "{}", '"recipe"'):
        with pytest.raises(RecipeError):
            Recipe.from_json(text)
    values = replace(RECIPE, settings={}).to_dict()
    del values["model"]
    with pytest.raises(RecipeError, match="model"):
        Recipe.from_dict(values)
    with pytest.raises(ParameterError, match="min_area"):
        replace(RECIPE, settings={"min_area": -1})
    other = ComponentModel(id="another")
    with pytest.raises(RecipeError, match="made with component"):
        next(replay(replace(RECIPE, settings={}), open_planes(RECIPE, np.stack([PLANE])), other))
    replace(RECIPE, settings={}, fingerprint="").check_model(other)
