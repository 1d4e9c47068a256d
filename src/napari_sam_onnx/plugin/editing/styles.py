"""Outlines and extent as the user wants them: learnt when objects are accepted, used from then on.

One learner per model: their logits differ.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam_onnx.plugin.session.lanes import Job
from napari_sam_onnx.prompting.style import Style, StyleError, StyleLearner, compare_answer, kind_of
from napari_sam_onnx.records.recipes import Recipe, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.session.engine import Request
    from napari_sam_onnx.prompting.style import Agreement
    from napari_sam_onnx.prompts import Prompts


class Styles:
    """Learns the user's style from what is accepted, and asks for answers in it.

    Parameters
    ----------
    commits : Commits

    Attributes
    ----------
    changed : Signal
        `style`, `objects` or `on` are others.
    """

    changed = Signal()

    def __init__(self, commits: Commits) -> None:
        self.session = commits.session
        self._learners: dict[Any, StyleLearner] = {}
        self._on = True
        self._diameter = 0.0
        commits.accepted.connect(self._on_accepted)
        self.session.model_changed.connect(self._use)

    @property
    def on(self) -> bool:
        """Whether answers are given in the style that was learnt, and more is learnt."""
        return self._on

    @on.setter
    def on(self, on: bool) -> None:
        if on != self._on:
            self._on = on
            self._use()

    @property
    def diameter(self) -> float:
        """Diameter of a typical object in plane pixels that answers are given for; 0: any."""
        return self._diameter

    @diameter.setter
    def diameter(self, diameter: float) -> None:
        if diameter != self._diameter:
            self._diameter = diameter
            self._use()

    @property
    def style(self) -> Style:
        """What was learnt with the current model."""
        return self._learner.style

    @property
    def objects(self) -> int:
        """How many accepted objects were looked at."""
        return self._learner.objects

    def adopt(self, style: Style) -> None:
        """Go on with a style that was learnt before."""
        self._learner.adopt(style)
        self._use()

    def take_recipe(self, path: Path) -> None:
        """Go on with the style that a recipe holds.

        Raises
        ------
        RecipeError, StyleError
            If it cannot be read, or holds none.
        """
        try:
            recipe = Recipe.from_json(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"{path.name} cannot be read; is it a recipe?") from error
        if recipe.style is None:
            raise StyleError(f"No outlines had been learnt when {path.name} was saved.")
        self.on = True
        self.adopt(Style.from_dict(recipe.style))

    def reset(self) -> None:
        """Forget what was learnt with the current model."""
        self._learner.reset()
        self._use()

    @property
    def _learner(self) -> StyleLearner:
        return self._learners.setdefault(self.session.source, StyleLearner())

    def _use(self) -> None:
        """Ask for answers in the style that holds now; open objects are answered anew."""
        style = replace(self.style if self._on else Style(), diameter=self._diameter)
        if style != self.session.dialogue.style:
            self.session.dialogue.style = style
            self.session.dialogue.answer_anew()
        self.changed.emit()

    def _on_accepted(self, request: Request, masks: Sequence[Mask]) -> None:
        """Compare what was accepted with what had been answered first, away from the interface."""
        if not self._on:
            return
        for prompts, mask in zip(request.prompts, masks, strict=True):
            first = _first_prompts(prompts)
            answer = None if first is None else self.session.dialogue.find(request, first)
            if first is None or answer is None:
                continue
            kind = kind_of(first)
            learnt = partial(self._on_compared, request.source, kind)
            compare = partial(compare_answer, answer.masks, mask)
            self.session.lane.submit(Job(compare, learnt, self.session.fail, replaceable=False))

    def _on_compared(self, source: Any, kind: Any, agreement: Agreement | None) -> None:
        if agreement is None:
            return
        learner = self._learners.setdefault(source, StyleLearner())
        learner.learn(kind, agreement)
        if source == self.session.source:
            self._use_from_now_on()

    def _use_from_now_on(self) -> None:
        """Give the next answers in the style; those that are shown stay as they are."""
        if self._on:
            self.session.dialogue.style = replace(self.style, diameter=self._diameter)
        self.changed.emit()


def _first_prompts(prompts: Prompts) -> Prompts | None:
    """Return what was asked first about an object that was clicked or boxed, or None."""
    if prompts.mask is not None:  # an object that existed
        return None
    points = 0 if prompts.box is not None else 1
    first = replace(prompts, points=prompts.points[:points], labels=prompts.labels[:points])
    return first if kind_of(first) is not None else None
