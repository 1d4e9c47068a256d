"""What a model said to the requests of late, so that undo shows it again without asking."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.masks.upscale import CandidateMasks, rank_candidates
from napari_sam_onnx.plugin.session.engine import prompt_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.prompting.style import Style
    from napari_sam_onnx.prompts import Prompts

KEPT_BYTES = 128 * 2**20
"""Answers beyond it are forgotten, the oldest first; those that are shown stay."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a model said about one object, and which of its candidates is chosen.

    Parameters
    ----------
    place : tuple
        The model, the picture and the plane, see `Request.place`.
    prompts : Prompts
        What was asked, as the user drew it.
    masks : sequence of Mask
        The candidates; upscaled when they are looked at.
    order : tuple of int
        Indices of them: the model's own choice first, the others by their score.
    chosen : int
        Which of that order is shown.
    before : Answer or None
        The answer that it refines.
    style : Style or None
        How it was taken from what the model said; None where it is another one's mask.
    """

    place: tuple[Any, ...]
    prompts: Prompts
    masks: Sequence[Mask]
    order: tuple[int, ...]
    chosen: int = 0
    before: Answer | None = None
    style: Style | None = None

    @property
    def mask(self) -> Mask:
        """The chosen candidate."""
        return self.masks[self.order[self.chosen]]

    @property
    def key(self) -> tuple[Any, ...]:
        """Identifies the question, see `Request.keys`."""
        return (*self.place, *prompt_key(self.prompts))

    @property
    def candidates(self) -> int:
        """How many candidates there are."""
        return len(self.order)

    @property
    def scores(self) -> tuple[float, ...]:
        """The scores of the candidates, in the order in which they are shown."""
        masks = self.masks
        if isinstance(masks, CandidateMasks):
            return tuple(masks.scores[i] for i in self.order)
        return tuple(masks[i].score for i in self.order)

    @property
    def nbytes(self) -> int:
        """Bytes that it occupies."""
        if isinstance(self.masks, CandidateMasks):
            return self.masks.nbytes
        return sum(mask.pixels.nbytes for mask in self.masks)

    def next(self) -> Answer:
        """Choose the next candidate."""
        return replace(self, chosen=(self.chosen + 1) % len(self.order))

    def is_upscaled(self) -> bool:
        """Whether the chosen candidate can be shown without upscaling it first."""
        masks = self.masks
        return not isinstance(masks, CandidateMasks) or masks.is_upscaled(self.order[self.chosen])

    def is_extended_by(self, place: tuple[Any, ...], prompts: Prompts) -> bool:
        """Whether prompts add clicks to the ones that were answered and change nothing else."""
        old, n = self.prompts, len(self.prompts.points)
        return (
            self.place == place
            and len(prompts.points) > n
            and np.array_equal(prompts.points[:n], old.points)
            and np.array_equal(prompts.labels[:n], old.labels)
            and _is_same(prompts.box, old.box)
            and prompts.mask is old.mask
        )


def rank(
    place: tuple[Any, ...],
    prompts: Prompts,
    mask: Mask,
    before: Answer | None = None,
    style: Style | None = None,
) -> Answer:
    """Make an answer of a model's mask, see `rank_candidates`."""
    masks, order = rank_candidates(mask)
    return Answer(place, prompts, masks, order, before=before, style=style)


class AnswerBook:
    """The answers given last, found again by what was asked.

    Parameters
    ----------
    max_bytes : int
        See `KEPT_BYTES`.
    """

    def __init__(self, max_bytes: int = KEPT_BYTES) -> None:
        self.max_bytes = max_bytes
        self._answers: OrderedDict[tuple[Any, ...], Answer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, key: tuple[Any, ...]) -> Answer | None:
        """Return the answer that was given to the same prompts, or None."""
        return self._answers.get(key)

    def add(self, answer: Answer) -> Answer:
        """Keep an answer instead of an earlier one to the same prompts, and forget the oldest."""
        self._answers.pop(answer.key, None)
        self._answers[answer.key] = answer
        used = sum(kept.nbytes for kept in self._answers.values())
        while used > self.max_bytes and len(self._answers) > 1:
            used -= self._answers.popitem(last=False)[1].nbytes
        return answer

    def clear(self) -> None:
        """Forget all: the picture has changed."""
        self._answers.clear()


def _is_same(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> bool:
    if a is None or b is None:
        return a is b
    return bool(np.array_equal(a, b))
