"""The user's style: learnt from accepted objects, used, shown, forgotten; and overlap that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam_onnx.embedding import LowResMasks
from napari_sam_onnx.labels.rules import Rules
from napari_sam_onnx.plugin.commits.recording import describe_layer
from napari_sam_onnx.plugin.editing.styles import Styles
from napari_sam_onnx.prompting.style import Choice, Style, StyleError
from napari_sam_onnx.records.recipes import RecipeError
from tests.fakes import ComponentModel, draw_discs
from tests.plugin.conftest import Bench

if TYPE_CHECKING:
    from pathlib import Path

SPOTS = [(20 + 30 * row, 20 + 30 * column) for row in range(3) for column in range(4)]


class ConeModel(ComponentModel):
    """Answers with a cone around the first click, 0 at 9 px; a pyramid; a wider cone."""

    def decode(self, embedding: Any, prompts: Any) -> LowResMasks:
        answer = super().decode(embedding, prompts)
        height, width = embedding.plane_shape
        y, x = np.mgrid[:height, :width]
        away = [(abs(y - p.points[0][0]), abs(x - p.points[0][1])) for p in prompts]
        cones = [np.stack([9 - np.hypot(*d), 12 - np.maximum(*d), 15 - np.hypot(*d)]) for d in away]
        logits = np.stack(cones)
        return LowResMasks(
            logits.astype(np.float32),
            answer.predicted_iou,
            answer.windows,
            answer.best,
            answer.ambiguity_set,
        )


@pytest.fixture
def styled() -> Any:
    bench = Bench()
    bench.models["pebble"] = ConeModel(id="pebble")
    bench.styles = Styles(bench.commits)  # type: ignore[attr-defined]
    bench.open(draw_discs((110, 140), SPOTS, 8))
    yield bench
    bench.session.close()


def test_another_candidate_is_learnt_and_reset(styled: Any) -> None:
    areas = []
    for spot in SPOTS[:8]:
        styled.click(*spot)
        first = styled.session.dialogue.answer.mask.area
        areas.append(first)
        if first < 300:
            styled.session.dialogue.cycle()  # the user wants the second one
        styled.commits.accept()
    assert areas[:6] == [areas[0]] * 6 and areas[6] > 1.5 * areas[0]
    assert styled.styles.style.click.candidate == 1 and styled.styles.style.click.objects == 8
    assert styled.session.dialogue.style == styled.styles.style
    styled.click(*SPOTS[8])
    assert styled.session.dialogue.answer.mask.area == areas[6]
    styled.styles.reset()  # the open object is answered anew
    assert styled.session.dialogue.answer.mask.area == areas[0]
    assert styled.styles.style == Style() and styled.styles.objects == 0


def test_a_style_is_of_one_model_and_can_be_switched_off(styled: Any) -> None:
    styled.styles.adopt(Style(Choice(threshold=3.0, objects=6)))
    styled.click(*SPOTS[0])
    tight = styled.session.dialogue.answer.mask.area
    styled.styles.on = False
    assert styled.session.dialogue.answer.mask.area > tight
    styled.styles.on = True
    assert styled.session.dialogue.answer.mask.area == tight
    styled.session.choose_model("other")
    assert styled.session.dialogue.style == Style()
    styled.session.choose_model("pebble")
    assert styled.session.dialogue.answer.mask.area == tight


def test_objects_that_existed_and_turbo_teach_nothing(styled: Any) -> None:
    styled.commits.toggle_turbo()
    for spot in SPOTS[:8]:
        styled.click(*spot)
    styled.commits.toggle_turbo()
    layer = styled.commits.labels.layer
    assert styled.styles.objects == 0 and len(np.unique(layer.data)) == 9
    styled.commits.correct_at(layer.data_to_world(SPOTS[0]))
    styled.click(SPOTS[0][0] + 2, SPOTS[0][1])
    styled.commits.accept()
    assert styled.styles.objects == 0


@pytest.mark.parametrize("reply", ["keep", "overwrite", "split", None])
def test_overlap_can_be_asked(bench: Bench, reply: Any) -> None:
    bench.open(draw_discs((100, 120), [(30, 30)], 10))
    mine = np.zeros((100, 120), np.uint16)
    mine[:, :26] = 5
    layer = bench.viewer.add_labels(mine)
    bench.commits.labels.choose(layer)
    bench.session.layers.activate()
    bench.commits.rules = Rules("ask")
    asked: list[str] = []

    def answer(sentence: str) -> Any:
        asked.append(sentence)
        return reply

    bench.commits.ask_overlap = answer
    bench.click(30, 30)
    bench.commits.accept()
    assert asked == ["This overlaps object 5."]
    written = np.argwhere(layer.data == 6)
    first = {"keep": 26, "overwrite": 20, "split": 23, None: None}[reply]
    assert (int(written[:, 1].min()) if len(written) else None) == first
    assert len(bench.session.layers.points.data) == (reply is None)
    bench.commits.undo()
    np.testing.assert_array_equal(layer.data, mine)


def test_the_background_is_said_and_offered_inverted(bench: Bench) -> None:
    picture = 255 - draw_discs((100, 120), [(50, 60)], 20)
    bench.open(picture)
    bench.click(5, 5)
    assert "background" in bench.said and bench.said.startswith("This mask")
    bench.session.dialogue.invert()
    bench.commits.accept()
    np.testing.assert_array_equal(bench.labels > 0, picture == 0)


def test_a_recipe_hands_the_outlines_on(styled: Any, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    styled.click(*SPOTS[0])
    styled.commits.accept()
    layer = styled.commits.labels.layer
    path.write_text(describe_layer(layer, Style()).to_json())
    with pytest.raises(StyleError, match="No outlines"):
        styled.styles.take_recipe(path)
    learnt = Style(Choice(1, 0.5, 9))
    path.write_text(describe_layer(layer, learnt).to_json())
    styled.styles.take_recipe(path)
    assert styled.styles.style == learnt == styled.session.dialogue.style
    path.write_text("{}")
    with pytest.raises(RecipeError, match="no recipe"):
        styled.styles.take_recipe(path)
