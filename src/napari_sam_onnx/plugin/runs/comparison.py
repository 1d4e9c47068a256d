"""Several models on the current prompts: asks each in turn, keeps what they said.

No widget. Models that are not the current one are opened for their answer and closed again,
so that no two large ones need room at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.errors import explain
from napari_sam_onnx.plugin.runs.work import Work
from napari_sam_onnx.prompting.compare import ModelAnswer, compare_models, ensemble
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.session.engine import Engine, Request
    from napari_sam_onnx.plugin.session.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What one model, or several together, said.

    Parameters
    ----------
    title : str
        What one reads.
    answer : ModelAnswer
    """

    title: str
    answer: ModelAnswer


class Comparison:
    """Asks models the same and lets one of their masks be taken.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    work : Work
        The asking itself: whether and how far it goes on.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.work = Work()
        self.results: list[Compared] = []
        self.rgb: NDArray[np.uint8] | None = None
        self._request: Request | None = None
        self._names: list[str] = []

    @property
    def current(self) -> bool:
        """Whether the answers are to the prompts that are open now."""
        now, then = self.session.dialogue.current_request, self._request
        return now is not None and then is not None and now.asks_same(then)

    def start(self, models: Sequence[tuple[str, Any]]) -> None:
        """Ask models, given as name and source."""
        request = self.session.dialogue.current_request
        if self.work.busy:
            return
        if request is None:
            self.session.say("There is nothing to compare; click on an object first.", "error")
            return
        if len(models) < 2:
            self.session.say("Tick two models or more to compare them.", "error")
            return
        self.results, self.rgb, self._request = [], None, request
        self._names = [name for name, _ in models]
        steps = _iterate(self.session.engine, request, models)
        self.work.start(steps, "Comparing models", self._describe(), self._on_step, self._on_ended)

    def take(self, number: int) -> None:
        """Make one of the masks the preview, so that accepting commits it."""
        mask = self.results[number].answer.mask
        if not self.current:
            self.session.say("The prompts have changed since; compare again.", "error")
        elif mask is not None:
            self.session.dialogue.adopt(mask)

    def close(self) -> None:
        """Stop and show nothing more."""
        self.work.close()

    def _on_step(self, step: NDArray[np.uint8] | Compared) -> None:
        if isinstance(step, Compared):
            self.results.append(step)
        else:
            self.rgb = step
        self.work.tell(self._describe(), min(1.0, len(self.results) / len(self._names)))

    def _on_ended(self, error: Exception | None) -> None:
        if error is not None:
            self.session.fail(error)

    def _describe(self) -> str:
        done, total = len(self.results), len(self._names)
        return f"Asking {self._names[done]}, {done + 1} of {total} …" if done < total else ""


def _iterate(
    engine: Engine, request: Request, models: Sequence[tuple[str, Any]]
) -> Generator[NDArray[np.uint8] | Compared, None, None]:
    """Run in the worker: first the plane, then each model's answer, then those of all."""
    rgb = request.reader.read(request.plane)
    yield rgb
    shape = (rgb.shape[0], rgb.shape[1])
    (asked,) = request.prompts
    prompts = make_prompts(asked.points, asked.labels, asked.box, plane_shape=shape)
    answers = []
    for name, source in models:
        try:
            with engine.borrow(source) as model:
                (answer,) = compare_models(rgb, prompts, [model], engine.cache)
        except Exception as error:  # one that cannot be opened does not stop the others
            answer = ModelAnswer(str(source), None, problem=explain(error))
        answers.append(answer)
        yield Compared(name, answer)
    masks = [answer.mask for answer in answers if answer.mask is not None]
    if len(masks) > 1:
        for how, title in (("mean", "Mean"), ("majority", "Majority")):
            joined = ensemble(masks, how)  # type: ignore[arg-type]
            yield Compared(f"{title} of {len(masks)}", ModelAnswer(how, joined))
