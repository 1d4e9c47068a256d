"""What a model said to the requests of late, so that undo shows it again without asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.masks import Mask
    from napari_sam_onnx.plugin.session.engine import Request

KEPT_ANSWERS = 64


@dataclass(slots=True, eq=False)
class Answer:
    """What a model said to a request, and which of its candidates is chosen.

    Parameters
    ----------
    request : Request
    candidates : tuple of Mask
        The model's own choice first, the others by their score.
    chosen : int
        The candidate that is shown.
    """

    request: Request
    candidates: tuple[Mask, ...]
    chosen: int = 0

    @property
    def mask(self) -> Mask:
        """The chosen candidate."""
        return self.candidates[self.chosen]

    def is_extended_by(self, request: Request) -> bool:
        """Whether a request adds clicks to this one's prompts and changes nothing else."""
        old, n = self.request, len(self.request.points)
        return (
            (old.source, old.reader.version, old.plane)
            == (request.source, request.reader.version, request.plane)
            and len(request.points) > n
            and np.array_equal(request.points[:n], old.points)
            and np.array_equal(request.labels[:n], old.labels)
            and _is_same(request.box, old.box)
        )


class AnswerBook:
    """The answers given last, found again by what was asked."""

    def __init__(self) -> None:
        self._answers: dict[tuple[Any, ...], Answer] = {}

    def find(self, request: Request) -> Answer | None:
        """Return the answer that was given to the same prompts, or None."""
        return self._answers.get(request.key) if request.answerable else None

    def add(self, request: Request, mask: Mask) -> Answer:
        """Keep a model's answer, its candidates ranked, and forget the oldest."""
        others = [c for c in mask.candidates if c.low_res is not mask.low_res]
        ranked = (mask, *sorted(others, key=lambda candidate: -candidate.score))
        answer = self._answers[request.key] = Answer(request, ranked)
        while len(self._answers) > KEPT_ANSWERS:
            del self._answers[next(iter(self._answers))]
        return answer

    def clear(self) -> None:
        """Forget all: the picture has changed."""
        self._answers.clear()


def _is_same(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> bool:
    if a is None or b is None:
        return a is b
    return bool(np.array_equal(a, b))
